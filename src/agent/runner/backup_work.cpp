#include "agent/runner/backup_work.hpp"

#include "agent/runner/cancel_watch.hpp"
#include "agent/runner/output_file.hpp"
#include "agent/runner/problems.hpp"
#include "base/json.hpp"
#include "base/log.hpp"
#include "base/text.hpp"

namespace belay::agent {
namespace {

constexpr Duration kSecretsPause{10'000};
constexpr int kSecretsAttemptsMax = 30;  // the server may be away for a moment
constexpr std::size_t kWatchesMax = 200, kNoteBytesMax = 64 << 10;

struct Attempts {
  std::uint32_t attempts = 0;
  Instant begun_at{};
};
BOOST_DESCRIBE_STRUCT(Attempts, (), (attempts, begun_at))

Result<Attempts> read_attempts(const io::Files& files, const std::string& path) {
  const auto text = files.read(path, 4'096);
  if (!text.ok()) return text.error().code() == Code::not_found ? Result<Attempts>(Attempts()) : text.error();
  return json::decode_text<Attempts>(*text).within("the journal of the backup job");
}

Result<Secrets> secrets_of(const WorkTools& tools, const std::string& order_id) {
  if (!tools.fetch_secrets) return Error(Code::unsupported, "this agent has no way to a vault's secrets");
  for (int attempt = 1;; ++attempt) {
    auto secrets = tools.fetch_secrets(order_id);
    const bool away =
        !secrets.ok() && (secrets.error().code() == Code::unavailable || secrets.error().code() == Code::timed_out);
    if (!away || attempt >= kSecretsAttemptsMax) return secrets;
    tools.host.pause(kSecretsPause);
  }
}

std::string bytes_text(std::uint64_t bytes) {
  constexpr std::string_view kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  std::size_t unit = 0;
  for (; bytes >= 10'240 && unit + 1 < std::size(kUnits); ++unit) bytes /= 1'024;
  return std::to_string(bytes) + " " + std::string(kUnits[unit]);
}

std::string line_of(const BackupProgress& progress) {
  std::string line = progress.phase;
  if (progress.bytes_total > 0)
    line += ": " + std::to_string(progress.bytes_done * 100 / progress.bytes_total) + " %, " +
            bytes_text(progress.bytes_done) + " of " + bytes_text(progress.bytes_total);
  else if (progress.bytes_done > 0) line += ": " + bytes_text(progress.bytes_done);
  if (progress.left) line += ", " + humanize(*progress.left) + " left";
  return line + "\n";
}

// From now on the agent watches what this job guards.
void keep_watch(const WorkTools& tools, const StatePaths& paths, const backup::Job& job) {
  if (job.task != backup::Task::backup || job.node_id != job.source_node_id) return;
  WatchFile file;
  file.watch.plan_id = job.plan_id;
  file.watch.plan_name = job.plan_name;
  file.watch.vault_name = job.vault.name;
  file.watch.source = job.source;
  file.watch.vault = job.vault;
  file.watch.rpo = job.rpo;
  file.renewed_at = tools.clock.now();
  auto kept = tools.files.make_directories(paths.watches(), 0700);
  if (kept.ok())
    kept = tools.files.write_durable(paths.watches() + "/" + job.plan_id + ".json", json::encode_text(file), 0600);
  if (!kept.ok()) log::warning("backup_not_watched", {{"plan", job.plan_name}, {"why", kept.error()}});
}

backup::JobReport failed(const backup::Job& job, const std::string& why) {
  backup::JobReport report;
  report.task = job.task;
  report.outcome = backup::JobOutcome::failed;
  report.why = why;
  return report;
}

backup::JobReport do_it(const WorkTools& tools, const StatePaths& paths, const wire::Order& order,
                        const std::atomic<bool>* cancel) {
  const auto& job = *order.backup;
  const auto secrets = secrets_of(tools, order.order_id);
  if (!secrets.ok()) return failed(job, secrets.error().within("the vault's secrets cannot be had").chain());
  const std::string work = paths.order_directory(order.order_id) + "/work";
  for (const auto& directory : {work, paths.backups()})
    if (const auto made = tools.files.make_directories(directory, 0700); !made.ok())
      return failed(job, made.error().chain());
  OutputFile output(tools.files, tools.clock, paths.output(order.order_id));
  const BackupHost host{
      tools.files, tools.processes, tools.clock, work, paths.backups(), cancel, [&](const auto& told) {
        output.add(line_of(told));
      }};
  auto report = tools.do_backup(host, job, *secrets);
  if (const auto gone = tools.files.remove_tree(work); !gone.ok())
    log::warning("backup_work_left", {{"where", work}, {"why", gone.error()}});
  return report;
}

wire::OrderResult result_of(const wire::Order& order, backup::JobReport report, Instant begun_at, Instant ended_at) {
  wire::OrderResult result;
  result.order_id = order.order_id;
  const bool ok = report.outcome == backup::JobOutcome::ok;
  result.outcome = ok ? wire::OrderOutcome::success : wire::OrderOutcome::failed;
  result.exit_code = ok ? 0 : 1;
  result.started_at = begun_at;
  result.finished_at = ended_at;
  result.standard_output = report.output;
  if (!ok) result.standard_error = sanitize(report.why, wire::kOutputBytesMax) + "\n";
  result.problems = report.problems;
  result.backup = std::move(report);
  return result;
}

}  // namespace

bool replaces_files(const backup::Job& job) {
  return job.task == backup::Task::restore && job.restore && !job.restore->preview &&
         (job.restore->over || job.restore->in_place);
}

Result<wire::OrderResult> run_backup_order(const WorkTools& tools, const StatePaths& paths,
                                           const AcceptedOrder& accepted) {
  const auto& order = accepted.order;
  const auto& job = *order.backup;
  if (!tools.do_backup) return Error(Code::unsupported, "this agent makes no backups");
  const std::string journal = paths.order_directory(order.order_id) + "/backup.json";
  BELAY_TRY_ASSIGN(auto attempts, read_attempts(tools.files, journal));
  const bool cut_off = attempts.attempts > 0;
  if (!cut_off) attempts.begun_at = tools.clock.now();
  const auto end = [&](backup::JobReport report) {
    return result_of(order, std::move(report), attempts.begun_at, tools.clock.now());
  };
  if (cut_off && replaces_files(job)) {
    // As agent/backup/restore_note.hpp says: what was put aside and stopped, a line each.
    const auto note = tools.files.read(paths.backups() + "/restore-" + job.plan_id, kNoteBytesMax);
    std::string noted;
    if (note.ok())
      for (const auto line : split(*note, '\n')) noted += (noted.empty() ? "" : "; ") + std::string(line);
    return end(failed(job,
                      "the restore was cut off in the middle (its process or the machine died), and is not begun "
                      "again by itself; look at " +
                          (job.restore->path.empty() ? job.source.data_directory : job.restore->path) +
                          " and at what was put aside there, then restore anew" +
                          (noted.empty() ? "" : ". It noted: " + sanitize(noted, 2'000))));
  }
  if (attempts.attempts >= kBackupAttemptsMax)
    return end(failed(job, "its process was killed " + std::to_string(attempts.attempts) +
                               " times in the middle; see the agent's log on the node, and its free memory"));
  attempts.attempts += 1;
  BELAY_TRY(tools.files.write_durable(journal, json::encode_text(attempts), 0600));
  CancelWatch watch(tools.files, paths.cancel(order.order_id));
  auto report = do_it(tools, paths, order, watch.flag());
  keep_watch(tools, paths, job);
  auto result = end(std::move(report));
  if (*watch.flag() && result.outcome != wire::OrderOutcome::success) result.outcome = wire::OrderOutcome::cancelled;
  return result;
}

std::vector<backup::Watch> kept_watches(io::Files& files, const StatePaths& paths, Instant now) {
  std::vector<backup::Watch> watches;
  const auto names = files.list(paths.watches());
  if (!names.ok()) return watches;
  for (const auto& name : *names) {
    const auto path = paths.watches() + "/" + name;
    const auto text = files.read(path, 1u << 20);
    const auto file = text.ok() ? json::decode_text<WatchFile>(*text) : Result<WatchFile>(text.error());
    if (file.ok() && now - file->renewed_at <= kWatchedFor && watches.size() < kWatchesMax)
      watches.push_back(file->watch);
    else if (const auto gone = files.remove(path); !gone.ok())
      log::warning("backup_watch_left", {{"where", path}, {"why", gone.error()}});
  }
  return watches;
}

}  // namespace belay::agent
