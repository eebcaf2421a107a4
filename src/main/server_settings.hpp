#pragma once
// What belayd is told on its command line.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace belay {

struct ListenAddress {
  std::string address;
  std::uint16_t port = 0;
};
// "127.0.0.1:8443", "[::1]:8443", ":8443" (every address). invalid_argument names the text.
Result<ListenAddress> parse_listen_address(std::string_view text);
bool is_loopback(std::string_view address);

// How others reach the server: a DNS name or an address, without scheme and port.
struct ServerName {
  std::string text;
  bool is_address = false;
};
Result<ServerName> parse_server_name(std::string_view text);

struct ServerSettings {
  std::string data;
  ListenAddress listen;
  bool plain = false;                   // whether `http` is wanted
  ListenAddress http;                   // loopback only
  std::string agent;                    // the agent that nodes are given; "" for none
  std::string database;                 // "" : DIR/belay.db
  std::vector<ServerName> names;        // besides the host's own
  std::vector<std::string> fetch_from;  // hosts on private addresses that the server may fetch from, in lower case
  std::string sendmail;                 // absolute path of the program that takes mail; "" for none
  std::uint64_t pool_bytes = 0;         // of the package pool; 0: there is none
};

}  // namespace belay
