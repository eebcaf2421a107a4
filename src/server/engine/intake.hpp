#pragma once
// What nodes say, taken into the store: each message in the caller's transaction, each once in effect however often it
// comes. A message that is wrong changes nothing; the error says what is wrong with it.
#include <string>
#include <string_view>
#include <vector>

#include "base/time.hpp"
#include "server/engine/judge.hpp"
#include "store/contents.hpp"
#include "store/store.hpp"
#include "wire/codec.hpp"

namespace belay::server {

// What is to be done once the transaction is durable.
struct Taken {
  bool acknowledge = true;
  wire::NeedSets need;         // empty lists: nothing
  bool events_posted = false;  // an execution has something to do
};

class Intake {
 public:
  explicit Intake(Judge& judge) : judge_(judge) {}

  // Decodes and checks without the store: what is hostile ends here. invalid_argument, unsupported, corrupt
  // "hash-mismatch". Pure; may run beside others.
  Result<wire::Envelope> parse(std::string_view text) const;
  Status check(const wire::Envelope& message) const;

  // A checked message of this node. not_found where it tells of an order that is not this node's.
  Result<Taken> take(store::Sql& sql, const std::string& node_id, const wire::Envelope& message, Instant now) const;
  // Sets that the node's newest scan names and that are not here: asked for at every greeting, until they come.
  Result<wire::NeedSets> missing_sets(store::Sql& sql, const std::string& node_id) const;
  // Facts of a hello or a report. A node's own boot ends what waited for it.
  Status take_facts(store::Sql& sql, const std::string& node_id, const fleet::NodeFacts& facts,
                    std::string_view agent_version) const;

 private:
  Result<Taken> take_scan(store::Sql& sql, const std::string& node_id, const wire::ScanReport& report,
                          Instant now) const;
  Result<Taken> take_set(store::Sql& sql, store::contents::Kind kind, const std::string& hash, const std::string& text,
                         Instant now) const;
  Result<Taken> take_own_run(store::Sql& sql, const std::string& node_id, const wire::OwnRun& own, Instant now) const;
  Result<Taken> take_update(store::Sql& sql, const std::string& node_id, const wire::OrderUpdate& update,
                            Instant now) const;
  Result<Taken> take_watched(store::Sql& sql, const std::string& node_id, const backup::WatchReport& report,
                             Instant now) const;
  Result<Taken> take_result(store::Sql& sql, const std::string& node_id, const wire::OrderResult& result,
                            Instant now) const;
  Result<Taken> take_ack(store::Sql& sql, const std::string& node_id, const wire::Ack& ack, Instant now) const;
  Result<Taken> take_refused(store::Sql& sql, const std::string& node_id, const wire::Refused& refused,
                             Instant now) const;
  Status complete(store::Sql& sql, const store::scans::Scan& scan, Taken& taken, Instant now) const;
  Status complete_waiting(store::Sql& sql, const std::string& set_hash, Taken& taken, Instant now) const;

  Judge& judge_;
};

}  // namespace belay::server
