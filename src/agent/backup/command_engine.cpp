// Anything else, by a program of the operator's own: it writes files into a directory, and those are kept by restic as
// everybody's are. It is called as PROGRAM VERB with one JSON object on its standard input and answers with one on its
// standard output: docs/guide/backup-protocol.md.
#include <algorithm>

#include "agent/backup/engines.hpp"
#include "agent/backup/files_engine.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "io/trusted_file.hpp"

namespace belay::agent::backups {
namespace {

using backup::Fingerprint;
using backup::Job;
using backup::JobReport;
using backup::ProofLevel;
using backup::Task;

constexpr int kProtocol = 1;
constexpr std::uint64_t kRoomReserve = 64u << 20;
constexpr std::size_t kAnswerBytesMax = 1u << 20, kTextBytesMax = 1'000, kTokenBytesMax = 300;
constexpr std::size_t kPrintsMax = 1'500, kRemarksMax = 20, kTokensMax = 10'000;
constexpr Duration kShort{300'000};
// What it may exit with besides 0 and have it understood.
constexpr int kExitGone = 3, kExitNotWhole = 4, kExitNotNow = 5, kExitUnknownVerb = 64;
constexpr std::uint32_t kOthersMayRun = 0001;
constexpr std::string_view kOurs = "program:";

Error ended_badly(const std::string& what, const io::ProcessOutcome& outcome) {
  const auto said = what + ": " + how_it_ended(outcome);
  if (outcome.end == io::ProcessOutcome::End::timed_out) return Error(Code::timed_out, said);
  if (outcome.end != io::ProcessOutcome::End::exited) return Error(Code::internal, said);
  switch (outcome.exit_status) {
    case kExitGone: return Error(Code::not_found, said, "not-in-point");
    case kExitNotWhole: return Error(Code::corrupt, said, "source-damaged");
    case kExitNotNow: return Error(Code::unavailable, said, "source-busy");
    case kExitUnknownVerb: return Error(Code::unsupported, said, "no-verb");
    default: return Error(Code::internal, said);
  }
}

Error misunderstood(const std::string& what, const std::string& why) {
  return Error(Code::corrupt, what + " answers against its protocol: " + why, "not-understood");
}

std::uint64_t count_of(const json::Value& value, std::string_view name) {
  const auto* number = json::find(value, name);
  return number && number->is_int64() && number->get_int64() > 0 ? static_cast<std::uint64_t>(number->get_int64()) : 0;
}

Result<std::vector<Fingerprint>> prints_in(const json::Value& answer) {
  std::vector<Fingerprint> prints;
  const auto* rows = json::find(answer, "fingerprints");
  if (!rows) return prints;
  if (!rows->is_array() || rows->get_array().size() > kPrintsMax)
    return Error(Code::corrupt, "fingerprints must be a list of at most " + std::to_string(kPrintsMax));
  for (const auto& row : rows->get_array()) {
    const auto subject = row.is_object() ? json::text_or_empty(row, "subject") : std::string();
    if (subject.empty()) return Error(Code::corrupt, "a fingerprint is an object with a subject");
    prints.push_back({std::string(kOurs) + sanitize(subject, 200), count_of(row, "rows"),
                      sanitize(json::text_or_empty(row, "checksum"), 200)});
  }
  return prints;
}

class CommandEngine final : public ResticFiles {
 public:
  using ResticFiles::ResticFiles;
  backup::EngineName name() const override { return backup::EngineName::command; }
  JobReport restore(const Job& job, const Secrets& secrets) override;

 protected:
  void look_at_source(const Job& job, JobReport& report) override;
  Result<Prepared> prepare(const Job& job, const VaultAccess& access, JobReport& report) override;
  std::vector<Fingerprint> examine(const Job& job, const std::string& root, JobReport& report) override;
  void forgotten(const Job& job, JobReport& report) override;

 private:
  Result<json::Value> ask(const Job& job, std::string_view verb, json::Object request, Duration timeout,
                          bool isolated = false);
  Status put_back(const Job& job, FileStore& store, JobReport& report, Stopwatch& watch);
};

Result<json::Value> CommandEngine::ask(const Job& job, std::string_view verb, json::Object request, Duration timeout,
                                       bool isolated) {
  const auto& program = job.source.program;
  const auto what = program + " " + std::string(verb);
  if (const auto trusted = io::check_trusted(host_.files, program); !trusted.ok())
    return trusted.error().code() == Code::not_found
               ? Error(Code::not_found, trusted.error().chain(), "program-missing")
               : trusted.error();
  request["protocol"] = kProtocol;
  request["plan"] = job.plan_name;
  Call call_it;
  call_it.argv = {program, std::string(verb)};
  call_it.standard_input = json::to_text(request) + "\n";
  call_it.timeout = timeout;
  call_it.gently = true;
  if (isolated) {
    if (const auto info = host_.files.info(program); info.ok() && !(info->mode & kOthersMayRun))
      return Error(Code::permission_denied, what + " runs as nobody, who may not run it: chmod o+x " + program);
    call_it.user = kNobody;
    call_it.isolated = call_it.reads_all = true;
    call_it.shown = {program.substr(0, program.rfind('/'))};
  }
  BELAY_TRY_ASSIGN(const auto outcome, call(host_, job, std::move(call_it)));
  if (!outcome.success()) return ended_badly(what, outcome);
  if (outcome.output_bytes_dropped > 0 || outcome.standard_output.size() > kAnswerBytesMax)
    return misunderstood(what, "more than 1 MiB");
  if (trim(outcome.standard_output).empty()) return json::Value(json::Object());
  auto answer = json::parse(outcome.standard_output);
  if (!answer.ok()) return misunderstood(what, answer.error().message());
  if (!answer->is_object()) return misunderstood(what, "expected an object");
  return answer;
}

// What it holds, of which the points in the repository need not know everything.
void CommandEngine::look_at_source(const Job& job, JobReport& report) {
  const auto answer = ask(job, "list", {}, kShort);
  if (!answer.ok() && answer.error().reason() == "no-verb")
    return pass(report, ProofLevel::P0, job.source.program, "may be run; it does not list");
  if (!answer.ok()) return fail(report, ProofLevel::P0, job.source.program, answer.error().chain());
  const auto* tokens = json::find(*answer, "tokens");
  const auto count = tokens && tokens->is_array() ? std::min(tokens->get_array().size(), kTokensMax) : 0;
  pass(report, ProofLevel::P0, job.source.program, "answers; it keeps " + std::to_string(count) + " of its own");
}

Result<Prepared> CommandEngine::prepare(const Job& job, const VaultAccess&, JobReport& report) {
  const auto listed = ask(job, "list", {}, kShort);
  if (!listed.ok() && listed.error().reason() != "no-verb") return listed.error();
  const auto bytes = listed.ok() ? count_of(*listed, "bytes") : 0;
  BELAY_TRY_ASSIGN(auto room, Scratch::make(host_, job, bytes + bytes / 20 + kRoomReserve));
  Prepared made;
  made.what.paths = {"."};
  made.what.relative_to = room.path();
  made.what.tags = {"belay", "plan=" + job.plan_id};
  made.held = std::make_shared<Scratch>(std::move(room));
  made.taken_at = host_.clock.now();  // what it holds is no younger than that
  BELAY_TRY_ASSIGN(const auto answer, ask(job, "create", {{"directory", made.what.relative_to}}, job.limits.timeout));
  const auto what = job.source.program + " create";
  auto prints = prints_in(answer);
  if (!prints.ok()) return misunderstood(what, prints.error().message());
  made.prints = std::move(*prints);
  made.rows = count_of(answer, "rows");
  made.position = json::text_or_empty(answer, "token");
  if (made.position.size() > kTokenBytesMax) return misunderstood(what, "token is longer than 300 bytes");
  made.server_version = sanitize(json::text_or_empty(answer, "version"), 100);
  if (const auto* remarks = json::find(answer, "remarks"); remarks && remarks->is_array())
    for (const auto& remark : remarks->get_array())
      if (remark.is_string() && made.remarks.size() < kRemarksMax)
        made.remarks.push_back(sanitize(std::string_view(remark.get_string()), kTextBytesMax));
  if (const auto when = json::text_or_empty(answer, "taken_at"); !when.empty()) {
    const auto taken_at = parse_iso8601(when);
    if (!taken_at.ok()) return misunderstood(what, "taken_at must be a time such as 2026-11-27T14:00:00Z");
    made.taken_at = *taken_at;
  }
  BELAY_TRY_ASSIGN(const auto wrote, count_tree(host_.files, made.what.relative_to));
  if (wrote.second == 0)
    return Error(Code::internal, what + " ended with 0 and wrote no file into its directory; that is no backup",
                 "not-understood");
  pass(report, ProofLevel::P0, job.source.program,
       "wrote " + std::to_string(wrote.second) + " files, " + std::to_string(wrote.first) + " bytes");
  return made;
}

std::vector<Fingerprint> CommandEngine::examine(const Job& job, const std::string& root, JobReport& report) {
  const auto& program = job.source.program;
  const auto answer =
      ask(job, "verify", {{"directory", root}, {"token", job.points.front().position}}, job.limits.timeout, true);
  if (!answer.ok() && answer.error().reason() == "no-verb") {
    pass(report, ProofLevel::P3, program, "does not verify: its files alone were compared");
    return {};
  }
  const auto* fine = answer.ok() ? json::find(*answer, "ok") : nullptr;
  const auto prints = answer.ok() ? prints_in(*answer) : Result<std::vector<Fingerprint>>(answer.error());
  if (!prints.ok()) fail(report, ProofLevel::P3, program, prints.error());
  else if (!fine || !fine->is_bool()) fail(report, ProofLevel::P3, program, "verify must say ok: true or false");
  else if (!fine->get_bool())
    fail(report, ProofLevel::P3, program, "does not find it right: " + json::text_or_empty(*answer, "seen"));
  else pass(report, ProofLevel::P3, program, "verified in isolation: " + json::text_or_empty(*answer, "seen"));
  return prints.ok() ? *prints : std::vector<Fingerprint>();
}

// Into what it came from, by the program.
Status CommandEngine::put_back(const Job& job, FileStore& store, JobReport& report, Stopwatch& watch) {
  const auto& point = job.points.front();
  if (job.restore->preview) {
    pass(report, ProofLevel::P0, "would restore",
         std::to_string(point.files) + " files, " + std::to_string(point.bytes_source) + " bytes by " +
             job.source.program);
    return {};
  }
  BELAY_TRY_ASSIGN(const auto room,
                   Scratch::make(host_, job, point.bytes_source + point.bytes_source / 20 + kRoomReserve));
  watch.begin("restore");
  BELAY_TRY_ASSIGN(const auto came, store.restore(point.reference, room.path(), {}));
  report.bytes = came.first;
  report.files = came.second;
  watch.begin("put back");
  BELAY_TRY_ASSIGN(const auto answer, ask(job, "restore",
                                          {{"directory", room.path()},
                                           {"token", point.position},
                                           {"target", job.restore->path},
                                           {"over", job.restore->over}},
                                          job.limits.timeout));
  pass(report, ProofLevel::P3, job.source.program, "put it back: " + json::text_or_empty(answer, "seen"));
  return {};
}

JobReport CommandEngine::restore(const Job& job, const Secrets& secrets) {
  if (!job.restore || !job.restore->in_place || job.points.empty()) return ResticFiles::restore(job, secrets);
  const auto store = opened(job, secrets, false);
  if (!store.ok()) return failed(Task::restore, store.error());
  auto report = begun(Task::restore);
  Stopwatch watch(host_.clock, report);
  const auto begin = host_.clock.monotonic();
  const auto done = put_back(job, **store, report, watch);
  watch.end();
  if (!done.ok()) return failed(Task::restore, done.error());
  if (job.restore->preview) return report;
  report.time_to_restore = host_.clock.monotonic() - begin;
  report.restored_to = job.points.front().taken_at;
  return report;
}

// What the program keeps beside its files is its own to let go.
void CommandEngine::forgotten(const Job& job, JobReport& report) {
  for (const auto& point : job.points) {
    if (point.position.empty()) continue;
    const auto answer = ask(job, "delete", {{"token", point.position}}, kShort);
    if (answer.ok() || answer.error().reason() == "no-verb" || answer.error().code() == Code::not_found) continue;
    // The point is gone all the same: told, and not a failure of the job.
    pass(report, ProofLevel::P0, "left",
         job.source.program + " still keeps " + sanitize(point.position, 100) + ": " + answer.error().chain());
  }
}

}  // namespace

std::unique_ptr<BackupEngine> make_command_engine(const BackupHost& host) {
  return std::make_unique<CommandEngine>(host);
}

}  // namespace belay::agent::backups
