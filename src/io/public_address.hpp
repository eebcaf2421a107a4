#pragma once
// Which addresses the internet routes to anybody: what a server may be asked to fetch from by one who cannot reach its
// own network. Only for io's own sources.
#include <sys/socket.h>

namespace belay::io {

// False for loopback, private, shared, link-local, documentation, multicast and reserved ones, for the metadata
// services of clouds, and for IPv6 addresses that carry such an IPv4 address (mapped, NAT64); also for any other
// family.
bool is_public_address(const sockaddr& address);

}  // namespace belay::io
