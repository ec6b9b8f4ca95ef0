//! By way of sockets.

use crate::Came;
use crate::wasi::sockets::instance_network::instance_network;
use crate::wasi::sockets::ip_name_lookup::resolve_addresses;
use crate::wasi::sockets::network::{
    ErrorCode, IpAddressFamily, IpSocketAddress, Ipv4SocketAddress,
};
use crate::wasi::sockets::tcp_create_socket::create_tcp_socket;
use crate::wasi::sockets::udp_create_socket::create_udp_socket;

fn say(error: ErrorCode) -> String {
    error.name().to_owned()
}

fn address(with: &[&str]) -> IpSocketAddress {
    let port = with.first().and_then(|n| n.parse().ok()).unwrap_or(80);
    IpSocketAddress::Ipv4(Ipv4SocketAddress {
        port,
        address: (127, 0, 0, 1),
    })
}

pub(crate) fn tcp(with: &[&str]) -> Came {
    let socket = create_tcp_socket(IpAddressFamily::Ipv4).map_err(say)?;
    socket
        .start_connect(&instance_network(), address(with))
        .map_err(say)?;
    loop {
        match socket.finish_connect() {
            Err(ErrorCode::WouldBlock) => socket.subscribe().block(),
            Ok(_) => return Ok("connected".to_owned()),
            Err(error) => return Err(say(error)),
        }
    }
}

pub(crate) fn listen(with: &[&str]) -> Came {
    let socket = create_tcp_socket(IpAddressFamily::Ipv4).map_err(say)?;
    socket
        .start_bind(&instance_network(), address(with))
        .map_err(say)?;
    socket.finish_bind().map_err(say)?;
    Ok("bound".to_owned())
}

pub(crate) fn udp(with: &[&str]) -> Came {
    let socket = create_udp_socket(IpAddressFamily::Ipv4).map_err(say)?;
    socket
        .start_bind(&instance_network(), address(with))
        .map_err(say)?;
    socket.finish_bind().map_err(say)?;
    Ok("bound".to_owned())
}

pub(crate) fn look_up(with: &[&str]) -> Came {
    let name = with.first().copied().unwrap_or("localhost");
    let found = resolve_addresses(&instance_network(), name).map_err(say)?;
    loop {
        match found.resolve_next_address() {
            Err(ErrorCode::WouldBlock) => found.subscribe().block(),
            Ok(address) => return Ok(format!("{address:?}")),
            Err(error) => return Err(say(error)),
        }
    }
}
