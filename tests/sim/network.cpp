#include "tests/sim/network.hpp"

#include <algorithm>

#include "wire/codec.hpp"

namespace belay::sim {

void Network::connect(std::size_t node) {
  auto& line = lines_[node];
  line.up = true;
  ++line.connection;
  line.last_to_server = line.last_to_node = queue_.now();
}

void Network::cut(std::size_t node) {
  if (!lines_[node].up) return;
  lines_[node].up = false;
  ++lines_[node].connection;
  ends_.broken(node);
}

bool Network::to_server(std::size_t node, const wire::Envelope& message, Duration at) {
  if (!lines_[node].up) return false;
  send(node, wire::to_text(message), at, true);
  return true;
}

bool Network::to_node(std::size_t node, const wire::Envelope& message) {
  if (!lines_[node].up) return false;
  send(node, wire::to_text(message), queue_.now(), false);
  return true;
}

void Network::send(std::size_t node, std::string text, Duration at, bool to_server) {
  auto& line = lines_[node];
  auto& last = to_server ? line.last_to_server : line.last_to_node;
  const bool late = faults && random_.chance(rates_.late);
  last = std::max(last, at + random_.between(Duration(5), late ? 2 * kMinute : Duration(300)));
  const auto connection = line.connection;
  if (faults && random_.chance(rates_.lost)) {
    queue_.at(last, [this, node, connection] {
      if (lines_[node].connection == connection) cut(node);
    });
    return;
  }
  const int times = faults && random_.chance(rates_.doubled) ? 2 : 1;
  for (int i = 0; i < times; ++i) {
    ++on_the_way_;
    const auto when = i == 0 ? last : last + random_.between(Duration(1), kMinute);
    queue_.at(when, [this, node, connection, text, to_server] { arrive(node, connection, text, to_server); });
  }
}

void Network::arrive(std::size_t node, std::uint64_t connection, const std::string& text, bool to_server) {
  --on_the_way_;
  const auto& line = lines_[node];
  if (!line.up || line.connection != connection) return;
  (to_server ? ends_.server_hears : ends_.node_hears)(node, text);
}

}  // namespace belay::sim
