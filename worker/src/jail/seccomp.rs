//! The system call layer: seccomp filters made from the lists in `filter.rs`.

use std::collections::BTreeMap;

use plugpen_proto::v1::SandboxState;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch,
};

use super::Standing;
use super::filter::{self, Condition, Is};
use crate::arguments::Mode;

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Installs all filters on the calling thread; those it starts inherit them.
pub fn install(mode: Mode) -> Standing {
    match programs(mode) {
        Ok(programs) => {
            let instructions: usize = programs.iter().map(Vec::len).sum();
            for program in &programs {
                if let Err(error) = seccompiler::apply_filter(program) {
                    return Standing::absent(error);
                }
            }
            Standing::new(
                SandboxState::Enforced,
                format!("{} filters, {instructions} instructions", programs.len()),
            )
        }
        Err(error) => Standing::absent(error),
    }
}

/// The filters in the order of their installation; the allow-list is the last.
fn programs(mode: Mode) -> Result<Vec<BpfProgram>, BackendError> {
    let kills = mode == Mode::Kill;
    let mut refused: BTreeMap<i32, Rules> = BTreeMap::new();
    let missing = filter::NOT_IMPLEMENTED
        .iter()
        .map(|call| (*call, libc::ENOSYS));
    // A call that is answered as if it were done is no offence.
    let told = filter::REFUSED
        .iter()
        .copied()
        .filter(|(_, errno)| !kills || *errno == 0);
    for (call, errno) in missing.chain(told) {
        refused.entry(errno).or_default().insert(call, Vec::new());
    }
    let mut allowed: Rules = refused
        .values()
        .flat_map(BTreeMap::keys)
        .copied()
        .map(any)
        .collect();
    allowed.extend(filter::ALLOWED.iter().copied().map(any));
    allowed.extend(filter::ALLOWED_LEGACY.iter().copied().map(any));
    for (call, conditions) in filter::CONDITIONAL {
        let rule = |one| SeccompRule::new(vec![condition(one)?]);
        let rules = conditions.iter().map(rule).collect::<Result<_, _>>()?;
        allowed.insert(*call, rules);
    }
    for (call, conditions) in filter::ALL_OF {
        let all = conditions.iter().map(condition).collect::<Result<_, _>>()?;
        allowed.insert(*call, vec![SeccompRule::new(all)?]);
    }
    let mut programs = Vec::new();
    for (errno, rules) in refused {
        programs.push(compile(
            rules,
            SeccompAction::Allow,
            SeccompAction::Errno(errno.unsigned_abs()),
        )?);
    }
    let otherwise = match kills {
        true => SeccompAction::KillProcess,
        false => SeccompAction::Errno(libc::EPERM.unsigned_abs()),
    };
    programs.push(compile(allowed, otherwise, SeccompAction::Allow)?);
    Ok(programs)
}

fn any(call: i64) -> (i64, Vec<SeccompRule>) {
    (call, Vec::new())
}

fn condition(condition: &Condition) -> Result<SeccompCondition, BackendError> {
    let (length, operator, value) = match condition.is {
        Is::Equal(value) => (SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value),
        Is::Masked(mask, value) => (SeccompCmpArgLen::Qword, SeccompCmpOp::MaskedEq(mask), value),
        Is::Self_ => (
            SeccompCmpArgLen::Dword,
            SeccompCmpOp::Eq,
            u64::from(std::process::id()),
        ),
    };
    SeccompCondition::new(condition.argument, length, operator, value)
}

fn compile(
    rules: Rules,
    otherwise: SeccompAction,
    listed: SeccompAction,
) -> Result<BpfProgram, BackendError> {
    let architecture = TargetArch::try_from(std::env::consts::ARCH)?;
    SeccompFilter::new(rules, otherwise, listed, architecture)?.try_into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_compile_and_no_call_is_listed_twice() {
        for mode in [Mode::Enforce, Mode::Kill] {
            assert!(programs(mode).is_ok());
        }
        let mut calls: Vec<i64> = filter::ALLOWED.to_vec();
        calls.extend(filter::ALLOWED_LEGACY);
        calls.extend(filter::NOT_IMPLEMENTED);
        calls.extend(filter::REFUSED.iter().map(|(call, _)| *call));
        calls.extend(filter::CONDITIONAL.iter().map(|(call, _)| *call));
        calls.extend(filter::ALL_OF.iter().map(|(call, _)| *call));
        let count = calls.len();
        calls.sort_unstable();
        calls.dedup();
        assert_eq!(calls.len(), count);
    }
}
