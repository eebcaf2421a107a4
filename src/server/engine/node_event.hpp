#pragma once
// What an execution is told of its nodes, as kept with it until it takes it in.
#include <boost/describe.hpp>
#include <string>

namespace belay::server {

enum class NodeEventKind { order_taken, order_ended, scan_ready, cancel, node_removed };
BOOST_DESCRIBE_ENUM(NodeEventKind, order_taken, order_ended, scan_ready, cancel, node_removed)

struct NodeEvent {
  NodeEventKind kind = NodeEventKind::order_taken;
  std::string node_id;   // cancel: "" for all
  std::string order_id;  // what it said is in the outbox; of a removed node: what is said in its place
};
BOOST_DESCRIBE_STRUCT(NodeEvent, (), (kind, node_id, order_id))

}  // namespace belay::server
