#pragma once
// One step of a remedy policy's execution: looks at nodes, asks core/remedy, keeps episodes, does what is due.
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/json.hpp"
#include "core/remedy/remedy.hpp"
#include "server/engine/commands.hpp"
#include "server/engine/compliance_view.hpp"
#include "server/engine/engine.hpp"
#include "store/remedies.hpp"

namespace belay::server {

SendCommandRequest remedy_command(const remedy::Policy& policy, std::vector<std::string> node_ids);
std::vector<Target> remedy_targets(const remedy::Policy& policy);

class RemedyRun {
 public:
  RemedyRun(store::Sql& sql, Judge& judge, Instant now) : sql_(sql), view_(sql, judge, now), now_(now) {}
  Result<ExecutionKind::Advance> advance(const store::executions::Execution& execution,
                                         const std::vector<store::executions::Event>& events);

 private:
  using Episode = store::remedies::Episode;
  struct Seen {
    remedy::Observation observation;
    json::Array reasons;  // what a person is told
  };

  Status look(const std::set<std::string>& node_ids);
  Result<Seen> see(const std::string& node_id);
  Status settle(const std::string& node_id, std::optional<Episode> open, const Seen& seen, bool targeted);
  Result<std::set<std::string>> targeted(const std::set<std::string>& node_ids);
  Status act();
  Status send();
  Status place();
  Status tell();
  Status done(Episode& episode, std::string outcome, json::Object detail);

  store::Sql& sql_;
  ComplianceView view_;
  const Instant now_;
  store::remedies::Policy kept_;
  remedy::Policy policy_;
  std::vector<Episode> to_act_;
};

}  // namespace belay::server
