#include "io/public_address.hpp"

#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>

namespace belay::io {
namespace {

struct Network {
  std::uint32_t address;
  int bits;
};
constexpr std::uint32_t four(std::uint32_t a, std::uint32_t b, std::uint32_t c, std::uint32_t d) {
  return a << 24 | b << 16 | c << 8 | d;
}
// The IANA special-purpose registry, and the one metadata service that has a public address (168.63.129.16, Azure).
constexpr Network kNotPublic[] = {
    {four(0, 0, 0, 0), 8},        {four(10, 0, 0, 0), 8},     {four(100, 64, 0, 0), 10},  {four(127, 0, 0, 0), 8},
    {four(168, 63, 129, 16), 32}, {four(169, 254, 0, 0), 16}, {four(172, 16, 0, 0), 12},  {four(192, 0, 0, 0), 24},
    {four(192, 0, 2, 0), 24},     {four(192, 88, 99, 0), 24}, {four(192, 168, 0, 0), 16}, {four(198, 18, 0, 0), 15},
    {four(198, 51, 100, 0), 24},  {four(203, 0, 113, 0), 24}, {four(224, 0, 0, 0), 4},    {four(240, 0, 0, 0), 4},
};

bool is_public(std::uint32_t address) {
  return std::ranges::none_of(
      kNotPublic, [&](const Network& network) { return (address ^ network.address) >> (32 - network.bits) == 0; });
}

using Six = std::span<const std::uint8_t, 16>;

template <std::size_t N>
bool begins(Six address, const std::array<std::uint8_t, N>& prefix) {
  return std::ranges::equal(address.first(N), prefix);
}

constexpr std::array<std::uint8_t, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr std::array<std::uint8_t, 12> kNat64{0, 0x64, 0xff, 0x9b};
constexpr std::array<std::uint8_t, 4> kDocumentation{0x20, 0x01, 0x0d, 0xb8};
constexpr std::array<std::uint8_t, 2> k6To4{0x20, 0x02};

// Of the global unicast block (2000::/3), without what is set apart in it: 2001::/23 (Teredo and others),
// documentation (2001:db8::/32, 3fff::/20), and 6to4, whose IPv4 address nobody needs any more.
bool is_public(Six address) {
  if (begins(address, kMapped) || begins(address, kNat64))
    return is_public(four(address[12], address[13], address[14], address[15]));
  if ((address[0] & 0xe0) != 0x20 || begins(address, k6To4) || begins(address, kDocumentation)) return false;
  const bool protocols = address[0] == 0x20 && address[1] == 0x01 && address[2] < 2;
  const bool newer_documentation = address[0] == 0x3f && address[1] == 0xff && address[2] < 0x10;
  return !protocols && !newer_documentation;
}

}  // namespace

bool is_public_address(const sockaddr& address) {
  if (address.sa_family == AF_INET)
    return is_public(ntohl(reinterpret_cast<const sockaddr_in&>(address).sin_addr.s_addr));
  if (address.sa_family != AF_INET6) return false;
  return is_public(Six(reinterpret_cast<const sockaddr_in6&>(address).sin6_addr.s6_addr));
}

}  // namespace belay::io
