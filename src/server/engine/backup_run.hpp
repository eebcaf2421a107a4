#pragma once
// One turn of one backup plan, inside one transaction. Used by backup_kind.cpp.
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/backup/alarms.hpp"
#include "server/engine/backup_kind.hpp"
#include "server/engine/node_event.hpp"

namespace belay::server {

class BackupRun {
 public:
  BackupRun(store::Sql& sql, const BackupParts& parts, Instant now) : sql_(sql), parts_(parts), now_(now) {}

  Result<ExecutionKind::Advance> advance(const store::executions::Execution& execution,
                                         const std::vector<store::executions::Event>& events);

 private:
  using Job = store::backups::Job;
  using Member = store::backups::Member;

  Status translate(const store::executions::Event& event);
  Status take_late_result(Job& job, const NodeEvent& told);
  Status look(Member member);
  Status look_at_guest(const std::string& node_id);
  void settle(Member& member);

  // ---- what is due
  Status begin_due(Member& member, std::vector<Job>& open);
  Status want(backup::Job job, std::string_view reason);
  Status want_backup(Member& member, backup::BackupType type, std::string_view reason);
  Status want_proof(Member& member, std::string_view reason);
  Status ask_agenda(Member& member);
  Status ask_list(Member& member);
  Status want_copy(Member& member, const std::string& vault);
  // Of those that wait, whose turn it is; open.size() where it is nobody's.
  Result<std::size_t> first_ready(const std::vector<Job>& open);
  Status send(Job& job, Member& member);
  // It will not be sent: ended, and `member` read anew.
  Status end_unsent(Job& job, Member& member, std::string state, std::string why);
  Status watch_deadline(Job& job);
  // When the earliest thing on this node may have changed by the clock alone.
  void plan_next_look(Member& member, const std::vector<Job>& open);

  // ---- what a vault really holds (backup_reconcile.cpp)
  Status note_gone(const Job& job, const backup::JobReport& report);

  // ---- what came of it (backup_results.cpp)
  Status take_result(Job& job, const wire::OrderResult& result);
  // Of any job: keeps how it ended, and what the member has to remember of it.
  Status end(Job& job, std::string state, std::string why);
  // Why a backup that says it went well did not: it made nothing new. "" where it did.
  Result<std::string> what_it_lacks(const Job& job, const backup::JobReport& report);
  Status keep_points(const Job& job, const backup::JobReport& report, bool stopped);
  Status keep_copies(const Job& job, const backup::JobReport& report, bool stopped);
  Status keep_proof(const Job& job, const backup::JobReport& report);
  Status keep_forgotten(const Job& job, const backup::JobReport& report);
  Status reconcile(const Job& job, const backup::JobReport& report);
  // ---- what goes (backup_retention.cpp)
  Status follow_up(Member& member);
  Status retain(Member& member, const std::string& vault);
  // Of a deletion whose turn has come: its points are those that may go by now, maybe none; the others are kept again.
  Status judge_again(Job& job);
  // A deletion waits while the plan is paused, and while a restore, a test or a copy reads one of its points, on
  // whichever node.
  Result<bool> must_wait(const Job& deletion);
  Status remember_run(Member& member, const Job& job, std::string_view task);
  // A trouble that is no job's: `what` as alarms.hpp names it.
  Status alarm(Member& member, std::string_view what, const std::string& why);
  Status tell(const Member& member, const std::vector<backup::Notice>& notices);
  Status notify(const Member& member, const std::string& name, const backup::Notice& notice);
  Status judge(Member& member);
  Result<backup::RecoveryPoint> point_of(const Job& job, const backup::MadePoint& made, const std::string& vault) const;

  store::Sql& sql_;
  const BackupParts& parts_;
  const Instant now_;
  store::backups::Plan plan_;
  schedule::ZoneRules zone_;
  // The job at hand was given up before its result came: its state and why then, and when.
  struct GivenUp {
    std::string state, why;
    Instant at;
  };
  std::optional<GivenUp> late_;
  // Of a member that may be at another job by now.
  Status end_late(Member& member, const Job& job, bool ok);
  std::string proof_failed_;       // of the job at hand: its restore test proved less than was wanted, and why
  std::set<std::string> to_look_;  // nodes that something happened to
  std::string wrong_;              // about what the list or the deletion at hand says; "" nothing
};

// "3 files could not be read; …" of a report that is not ok, at most so many bytes.
std::string why_of(const backup::JobReport& report);
// A list found it before its job had told of it.
bool is_stranger(const backup::RecoveryPoint& point);
// A point that was missing and is there: as it was before. False of one that was not missing.
bool is_found_again(backup::RecoveryPoint& point);
bool is_over(const store::backups::Job& job);
std::string agenda_task(const backup::Job& job);

}  // namespace belay::server
