//! `DeviceService`.

use plugpen_proto::Error;
use plugpen_proto::calls::WorkerCall;
use plugpen_proto::v1::device_service_server::DeviceService;
use plugpen_proto::v1::*;
use tonic::{Request, Response, Status};

use super::Api;
use crate::devices::{self, Device};

#[tonic::async_trait]
impl DeviceService for Api {
    async fn open_device(
        &self,
        request: Request<OpenDeviceRequest>,
    ) -> Result<Response<OpenDeviceResponse>, Status> {
        self.0.takes_work()?;
        let session = self.session(&request)?;
        let (_, status) = Device::open(&self.0, &session, request.into_inner()).await?;
        Ok(Response::new(OpenDeviceResponse {
            device: Some(status),
        }))
    }

    async fn attach_device(
        &self,
        request: Request<AttachDeviceRequest>,
    ) -> Result<Response<AttachDeviceResponse>, Status> {
        let device = self.session(&request)?.device(&request.get_ref().handle)?;
        device.attach(&self.0, &request.get_ref().plugin).await?;
        Ok(Response::new(AttachDeviceResponse {}))
    }

    async fn close_device(
        &self,
        request: Request<CloseDeviceRequest>,
    ) -> Result<Response<CloseDeviceResponse>, Status> {
        let session = self.session(&request)?;
        if let Some(device) = session.remove_device(&request.get_ref().handle)? {
            device.close(&self.0).await;
        }
        Ok(Response::new(CloseDeviceResponse {}))
    }

    async fn start_device(
        &self,
        request: Request<StartDeviceRequest>,
    ) -> Result<Response<StartDeviceResponse>, Status> {
        let handle = request.get_ref().handle.clone();
        self.to_device(request, &handle, Ok(())).await
    }

    async fn stop_device(
        &self,
        request: Request<StopDeviceRequest>,
    ) -> Result<Response<StopDeviceResponse>, Status> {
        let handle = request.get_ref().handle.clone();
        self.to_device(request, &handle, Ok(())).await
    }

    async fn get_device(
        &self,
        request: Request<GetDeviceRequest>,
    ) -> Result<Response<GetDeviceResponse>, Status> {
        let device = self.session(&request)?.device(&request.get_ref().handle)?;
        let answer = device.call(&self.0, request.into_inner()).await?;
        let status = device.described(answer.device.unwrap_or_default());
        Ok(Response::new(GetDeviceResponse {
            device: Some(status),
        }))
    }

    async fn send_midi(
        &self,
        request: Request<SendMidiRequest>,
    ) -> Result<Response<SendMidiResponse>, Status> {
        let checked = devices::check_midi(&request.get_ref().data);
        let handle = request.get_ref().handle.clone();
        self.to_device(request, &handle, checked).await
    }

    async fn connect_midi(
        &self,
        request: Request<ConnectMidiRequest>,
    ) -> Result<Response<ConnectMidiResponse>, Status> {
        let call = request.get_ref();
        let checked = devices::check_direction(call.direction())
            .and_then(|()| devices::check_port(call.port, &call.virtual_name));
        let handle = call.handle.clone();
        self.to_device(request, &handle, checked).await
    }

    async fn disconnect_midi(
        &self,
        request: Request<DisconnectMidiRequest>,
    ) -> Result<Response<DisconnectMidiResponse>, Status> {
        let checked = devices::check_direction(request.get_ref().direction());
        let handle = request.get_ref().handle.clone();
        self.to_device(request, &handle, checked).await
    }

    async fn set_device_input(
        &self,
        request: Request<SetDeviceInputRequest>,
    ) -> Result<Response<SetDeviceInputResponse>, Status> {
        let handle = request.get_ref().handle.clone();
        self.to_device(request, &handle, Ok(())).await
    }

    async fn set_device_mix(
        &self,
        request: Request<SetDeviceMixRequest>,
    ) -> Result<Response<SetDeviceMixResponse>, Status> {
        let checked = devices::check_mix(request.get_ref().mix);
        let handle = request.get_ref().handle.clone();
        self.to_device(request, &handle, checked).await
    }

    async fn write_device_input(
        &self,
        request: Request<WriteDeviceInputRequest>,
    ) -> Result<Response<WriteDeviceInputResponse>, Status> {
        let checked = devices::check_samples(request.get_ref());
        let handle = request.get_ref().handle.clone();
        self.to_device(request, &handle, checked).await
    }

    async fn list_audio_devices(
        &self,
        request: Request<ListAudioDevicesRequest>,
    ) -> Result<Response<ListAudioDevicesResponse>, Status> {
        self.ask_sound_system(request).await
    }

    async fn list_midi_ports(
        &self,
        request: Request<ListMidiPortsRequest>,
    ) -> Result<Response<ListMidiPortsResponse>, Status> {
        self.ask_sound_system(request).await
    }

    async fn open_midi_in(
        &self,
        request: Request<OpenMidiInRequest>,
    ) -> Result<Response<OpenMidiInResponse>, Status> {
        self.0.takes_work()?;
        let session = self.session(&request)?;
        let input = Device::listen(&self.0, &session, request.into_inner()).await?;
        Ok(Response::new(OpenMidiInResponse {
            handle: input.handle.clone(),
        }))
    }
}

impl Api {
    /// Passes a call on to a device's process.
    async fn to_device<R: WorkerCall>(
        &self,
        request: Request<R>,
        handle: &str,
        checked: Result<(), Error>,
    ) -> Result<Response<R::Response>, Status> {
        let device = self.session(&request)?.device(handle)?;
        checked?;
        let answer = device.call(&self.0, request.into_inner()).await?;
        Ok(Response::new(answer))
    }

    /// Asks a device's process that is started for it.
    async fn ask_sound_system<R: WorkerCall>(
        &self,
        request: Request<R>,
    ) -> Result<Response<R::Response>, Status> {
        self.0.takes_work()?;
        let session = self.session(&request)?;
        let answer = devices::ask(&self.0, &session, request.into_inner()).await?;
        Ok(Response::new(answer))
    }
}
