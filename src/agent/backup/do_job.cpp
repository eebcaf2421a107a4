#include <algorithm>

#include "agent/backup/call_spec.hpp"
#include "agent/backup/engines.hpp"
#include "agent/backup/repository.hpp"
#include "base/json.hpp"
#include "base/text.hpp"

namespace belay::agent::backups {
namespace {

using backup::Job;
using backup::JobOutcome;
using backup::JobReport;
using backup::Task;

constexpr std::size_t kWhyBytesMax = 2'000, kSeenBytesMax = 1'000, kOutputBytesMax = 16 << 10;

// The job's own directory; gone with the object.
class WorkDirectory {
 public:
  explicit WorkDirectory(const BackupHost& host) : host_(host) {}
  ~WorkDirectory() { static_cast<void>(host_.files.remove_tree(host_.work_directory)); }
  WorkDirectory(const WorkDirectory&) = delete;
  WorkDirectory& operator=(const WorkDirectory&) = delete;
  // What a killed process of the same job left is gone first. Others may go through it, and list nothing: a program
  // that runs as another user finds the files that are its own.
  Status make() {
    BELAY_TRY(clear_directory(host_, host_.work_directory));  // a drive may still be mounted in it
    return host_.files.make_directories(host_.work_directory, 0711);
  }

 private:
  const BackupHost& host_;
};

// A file's name that is the repository's own.
std::string file_of(const Job& job) {
  auto name = backup::repository_name(job.plan_id, job.source_node_id) + "@" + job.vault.name;
  for (auto& c : name)
    if (c == '/') c = '-';
  return name;
}

std::string lock_path(const BackupHost& host, const Job& job) {
  return host.state_directory + "/locks/" + file_of(job);
}

Result<io::FileLock> lock_repository(const BackupHost& host, const Job& job) {
  BELAY_TRY(host.files.make_directories(host.state_directory + "/locks", 0700));
  auto lock = io::FileLock::acquire(lock_path(host, job));
  if (lock.ok() || lock.error().code() != Code::conflict) return lock;
  return Error(Code::conflict,
               "another job of the plan " + job.plan_name + " works on its repository on this node; wait for its end",
               "repository-busy");
}

Status run_hook(const BackupHost& host, const Job& job, const std::optional<backup::Hook>& hook, const char* which) {
  if (!hook || hook->argv.empty()) return {};
  Call what;
  what.argv = hook->argv;
  what.user = hook->user;
  what.timeout = hook->timeout;
  what.environment = {{"BELAY_PLAN", job.plan_name}, {"BELAY_JOB", job.job_id}};
  const auto ended = must(host, job, std::move(what));
  return ended.ok() ? Status() : Status(ended.error().within(std::string("the command ") + which + " the backup"));
}

// The first backup of a plan here, and the first after a change of it, looks at everything that it needs and makes the
// repository; what is missing is told by name before anything is copied. Nothing where all is well.
std::optional<JobReport> not_ready(const BackupHost& host, BackupEngine& engine, const Job& job,
                                   const Secrets& secrets) {
  const auto path = host.state_directory + "/checked/" + file_of(job);
  const auto wanted = json::encode_text(job.source) + "\n" + json::encode_text(job.vault) + "\n";
  if (const auto seen = host.files.read(path, 1u << 20); seen.ok() && *seen == wanted) return std::nullopt;
  auto report = engine.check(job, secrets);
  if (report.outcome != JobOutcome::ok) return report;
  auto kept = host.files.make_directories(host.state_directory + "/checked", 0700);
  if (kept.ok()) kept = host.files.write_durable(path, wanted, 0600);
  return kept.ok() ? std::nullopt : std::optional(failed(Task::backup, kept.error()));
}

JobReport back_up(const BackupHost& host, BackupEngine& engine, const Job& job, const Secrets& secrets) {
  if (auto report = not_ready(host, engine, job, secrets)) return std::move(*report);
  const auto before = run_hook(host, job, job.source.before, "before");
  // What was quiesced half-way is released all the same.
  auto report = before.ok() ? engine.back_up(job, secrets) : failed(Task::backup, before.error());
  const auto after = run_hook(host, job, job.source.after, "after");
  if (after.ok()) return report;
  if (report.outcome == JobOutcome::ok) report.outcome = JobOutcome::partial;
  report.why += (report.why.empty() ? "" : "; ") + after.error().chain() + ": look whether the source works again";
  return report;
}

JobReport work(const BackupHost& host, BackupEngine& engine, const Job& job, const Secrets& secrets) {
  switch (job.task) {
    case Task::backup: return back_up(host, engine, job, secrets);
    case Task::copy: return engine.copy(job, secrets);
    case Task::prove: return engine.prove(job, secrets);
    case Task::restore: return engine.restore(job, secrets);
    case Task::forget: return engine.forget(job, secrets);
    case Task::check: return engine.check(job, secrets);
    case Task::list: return engine.list(job, secrets);
  }
  return failed(job.task, Error(Code::unsupported, "the agent does not know this task; upgrade it"));
}

// Whatever a tool said when it was stopped, it says nothing of what it was looking at.
void note_if_stopped(const BackupHost& host, JobReport& report) {
  if (!host.cancel || !host.cancel->load()) return;
  for (auto& item : report.evidence) item.looked_at = item.passed;
}

// A test that came to an end without a word against the point could not be done: what kept it from that is told.
void note_what_was_not_done(JobReport& report) {
  if (report.task != Task::prove || report.outcome == JobOutcome::ok || backup::speaks_against(report.evidence)) return;
  if (!backup::could_not_be_done(report)) could_not(report, backup::ProofLevel::P3, "test", report.why);
}

// An engine that was not to make one may not know that there was one.
void note_if_gone(const Job& job, JobReport& report) {
  if (!must_be_there(job, job.vault)) return;
  const auto gone = repository_gone(job.vault).reason();
  for (auto& problem : report.problems)
    if (problem.subject == "no-repository") problem.subject = gone;
  if (std::ranges::any_of(report.problems, [&](const auto& problem) { return problem.subject == gone; }))
    for (auto& item : report.evidence) item.looked_at = item.passed;
}

// Where what the report tells of lies.
void note_drives(const Job& job, JobReport& report) {
  report.drive = drive_of(job.vault);
  const auto& drive = job.task == Task::copy && job.copy_to ? drive_of(*job.copy_to) : report.drive;
  for (auto& point : report.points) point.drive = drive;
}

void clean(std::string& text, const Secrets& secrets, std::size_t bytes_max) {
  text = sanitize(without_secrets(std::move(text), secrets, bytes_max), bytes_max + 100);
}

// Somebody else's things may lie in a repository under names that no order will ever hold.
void leave_out_strange_names(JobReport& report) {
  const auto strange =
      std::erase_if(report.points, [](const auto& point) { return !backup::is_reference(point.reference); });
  if (strange == 0) return;
  report.output += std::to_string(strange) + " points with names that are none of ours are left out\n";
  if (report.task == Task::backup || report.task == Task::copy)
    report.outcome = JobOutcome::unknown, report.why = "the engine gave the point a name that is none";
}

void clean(JobReport& report, const Secrets& secrets) {
  leave_out_strange_names(report);
  clean(report.why, secrets, kWhyBytesMax);
  clean(report.output, secrets, kOutputBytesMax);
  if (report.evidence.size() > backup::kEvidenceMax) report.evidence.resize(backup::kEvidenceMax);
  for (auto& item : report.evidence) {
    clean(item.what, secrets, kSeenBytesMax);
    clean(item.seen, secrets, kSeenBytesMax);
  }
  for (auto& problem : report.problems) {
    clean(problem.detail, secrets, kWhyBytesMax);
    clean(problem.next, secrets, kWhyBytesMax);
  }
  for (auto& point : report.points)
    for (auto& remark : point.remarks) clean(remark, secrets, kSeenBytesMax);
}

}  // namespace

JobReport do_job_with(const BackupHost& host, BackupEngine& engine, const Job& given, const Secrets& secrets) {
  for (const auto* points : {&given.points, &given.chain})
    for (const auto& point : *points)
      if (!backup::is_reference(point.reference))
        return failed(given.task,
                      Error(Code::invalid_argument, "the order names a point that no engine names so: " +
                                                        sanitize(point.reference, 100) + "; nothing was done"));
  const auto lock = lock_repository(host, given);
  if (!lock.ok()) return failed(given.task, lock.error());
  WorkDirectory directory(host);
  if (const auto made = directory.make(); !made.ok()) return failed(given.task, made.error());
  auto job = given;
  if (const auto chosen = choose_drives(host, job); !chosen.ok()) return failed(job.task, chosen.error());
  auto report = work(host, engine, job, secrets);
  report.task = job.task;
  note_if_stopped(host, report);
  note_if_gone(job, report);
  note_drives(job, report);
  // An engine that says neither how it went nor why is not understood.
  if (report.outcome != JobOutcome::ok && report.why.empty()) report.why = "the engine does not say what went wrong";
  note_what_was_not_done(report);
  clean(report, secrets);
  return report;
}

}  // namespace belay::agent::backups
