//! `BusService`.

use super::worker_service;

worker_service! {
    plugpen_proto::v1::bus_service_server::BusService {
        list_buses: ListBusesRequest => ListBusesResponse,
        check_buses_layout: CheckBusesLayoutRequest => CheckBusesLayoutResponse,
    }
}
