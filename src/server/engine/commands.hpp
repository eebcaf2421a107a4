#pragma once
// Run Command: sends a document to nodes and carries it through (core/command decides, engine.hpp drives). Blocking.
#include <boost/describe.hpp>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.hpp"
#include "server/engine/override_documents.hpp"
#include "server/engine/parent.hpp"
#include "store/commands.hpp"
#include "store/nodes.hpp"
#include "store/store.hpp"

namespace belay::server {

// SSM's Targets: Key "InstanceIds", "tag:Name" or "tag-key", and ours: "PatchGroup" (either spelling of the tag) and
// "Name"; keys are AND, values are OR.
struct Target {
  std::string key;
  std::vector<std::string> values;
  bool operator==(const Target&) const = default;
};
BOOST_DESCRIBE_STRUCT(Target, (), (key, values))

struct SendCommandRequest {
  std::string document_name;
  std::string document_version;
  std::map<std::string, std::vector<std::string>> parameters;
  std::vector<std::string> instance_ids;  // or `targets`; ids or unique names
  std::vector<Target> targets;
  std::string comment;
  std::string max_concurrency = "50", max_errors = "0";
  std::uint32_t timeout_seconds = 3600;  // for delivery, 30 … 2,592,000
  std::string requested_by;
  std::optional<std::vector<std::string>> node_ids{};  // resolved already: instance_ids and targets are only shown
  std::optional<Parent> parent{};                      // told when it has ended
};

// Errors carry SSM's exception as their reason where it has one: "InvalidDocument", "InvalidParameters",
// "InvalidInstanceId", "InvalidCommandId", "UnsupportedPlatformType".
class Commands {
 public:
  // `private_hosts`: what may be fetched from though its address is private (override_documents.hpp).
  Commands(store::Store& store, const Clock& clock, std::vector<std::string> private_hosts = {})
      : store_(store), clock_(clock), fetching_{true, std::move(private_hosts)} {}

  // Returns once the command is durable; the nodes follow. Targets that match nobody make a command that is at once
  // Success with the details NoInstancesInTag, as at AWS.
  Result<store::commands::Command> send(const SendCommandRequest& request);
  // The same inside the caller's transaction. What would have to be fetched first (an override list at an address) is
  // refused with InvalidParameters.
  static Result<store::commands::Command> send(store::Sql& sql, const SendCommandRequest& request, Instant now);
  // Asks for a stop: what has not begun is Cancelled, what runs is asked to stop and becomes Cancelled or what it
  // became. `instance_ids` empty: all. May be repeated; ok where the command has ended.
  Status cancel(std::string_view command_id, const std::vector<std::string>& instance_ids,
                std::string_view requested_by);
  static Status cancel(store::Sql& sql, std::string_view command_id, const std::vector<std::string>& instance_ids,
                       std::string_view requested_by, Instant now);

 private:
  store::Store& store_;
  const Clock& clock_;
  const Fetching fetching_;
};

// Ids of the active nodes that the targets name, sorted, at most `nodes_max` (resource_exhausted beyond).
Result<std::vector<std::string>> resolve_targets(store::Sql& sql, const std::vector<std::string>& instance_ids,
                                                 const std::vector<Target>& targets, std::size_t nodes_max = 100'000);
// A tag may match nobody; a node that a target names by InstanceIds must be there: "InvalidInstanceId".
Status require_named_nodes(store::Sql& sql, const std::vector<Target>& targets);
// Those that the targets name by InstanceIds and that are not registered (any more), as they are named, in order.
Result<std::vector<std::string>> named_and_gone(store::Sql& sql, const std::vector<Target>& targets);

}  // namespace belay::server
