#pragma once
// One turn of one association, inside one transaction. Used by the kind in association_run.cpp.
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "server/engine/association_kind.hpp"
#include "server/engine/association_sets.hpp"

namespace belay::server {

inline constexpr std::string_view kOfflineCause = "offline";  // of an execution that nodes began by themselves

class AssociationRun {
 public:
  AssociationRun(store::Sql& sql, const AssociationParts& parts, Instant now) : sql_(sql), parts_(parts), now_(now) {}

  Result<ExecutionKind::Advance> advance(const store::executions::Execution& execution,
                                         const std::vector<store::executions::Event>& events);

 private:
  Status load(const store::executions::Execution& execution);
  Result<std::vector<association::Event>> translate(const std::vector<store::executions::Event>& posted);
  Status turn(std::vector<association::Event> events);

  // ---- what lies around
  Result<association::Around> around();
  Status look_at_calendars(association::Around& around);
  Status look_at_window(association::Around& around);

  // ---- what to do
  Result<std::optional<association::Event>> act(const association::Action& action);
  Result<std::optional<association::Event>> start(const association::Run& run);
  Result<std::vector<std::string>> nodes_for(const association::Run& run);
  Status drop_strangers(const std::vector<std::string>& matching);
  Status stop(const association::Run& run, bool all);
  Status note_skipped(const association::Run& run, const std::string& why);

  // ---- what became of it
  // Takes in what nodes did since; true: the run is over.
  Result<bool> take_in(const association::Run& run);
  Result<std::size_t> report(store::associations::Execution& execution);
  Status keep(store::associations::Execution& execution, std::span<const store::associations::Target> ended,
              const std::string& summary);
  Status put_compliance(const store::associations::Execution& execution, const store::associations::Target& target);
  Status finish(store::associations::Execution& execution, std::string_view why);
  Status save_standing();

  // ---- what nodes ran by themselves (association_own_run.cpp)
  struct Own {
    std::string status, details, summary;
    Instant at{};
  };
  Result<std::optional<Own>> own_of(const std::string& order_id);
  Status note_own_run(const OfflineRun& run);
  Result<store::associations::Execution> own_execution(const OfflineRun& run);
  Result<bool> is_newest(const store::associations::Execution& execution, const store::associations::Target& target);

  store::Sql& sql_;
  const AssociationParts& parts_;
  const Instant now_;

  std::string id_;
  AssociationState state_;
  std::optional<store::associations::Association> row_;  // nothing: it was deleted
  association::Settings settings_;
  association::Step step_;
  std::vector<OfflineRun> own_runs_;  // that were told of
};

}  // namespace belay::server
