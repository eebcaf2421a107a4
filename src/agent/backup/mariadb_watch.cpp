#include "agent/backup/mariadb_watch.hpp"

#include <algorithm>

#include "agent/backup/files_engine.hpp"
#include "base/text.hpp"

namespace belay::agent::backups::mariadb {
namespace {

constexpr Duration kWatchTimeout{20'000}, kLockOld{3'600'000};

void find(backup::WatchReport& report, const char* what, std::string detail) {
  report.findings.push_back({what, std::move(detail)});
}

void look_at_logs(const Source& source, const std::string& plan_id, backup::WatchReport& report) {
  const auto archived = remembered(*source.client.host, plan_id);
  if (!archived || archived->last == 0) return;  // no point yet, or none whose logs are kept
  report.recoverable_to = archived->until;
  report.log_gaps = archived->gaps;
  if (!archived->gap.empty()) find(report, "log-gap", archived->gap + "; a full backup begins a new sequence");
  const auto said = ask(source.client, "show binary logs", kWatchTimeout);
  if (!said.ok()) return find(report, "source-down", said.error().chain());
  const auto server = read_server_logs(*said);
  if (server.empty() || is_another_sequence(*archived, server)) {
    report.log_gaps.push_back({archived->until, report.at});
    return find(report, "log-gap",
                "the server's binary logs are not those that follow " + log_name(archived->base, archived->last) +
                    "; make a full backup");
  }
  const auto plan = to_archive(*archived, server, {});
  if (!plan.gap.empty()) {
    report.log_gaps.push_back({archived->until, report.at});
    find(report, "log-gap", plan.gap + "; make a full backup, and let the server keep its logs longer");
  }
  std::uint64_t behind = server.back().bytes;
  for (const auto& log : plan.logs) behind += log.bytes;
  report.bytes_behind = behind;
  // As long as when it was opened: nothing has been changed since.
  if (plan.gap.empty() && plan.logs.empty() && archived->open_bytes == server.back().bytes) {
    report.recoverable_to = report.at;
    report.bytes_behind = 0;
  }
}

void look_at_heartbeat(const Source& source, const backup::Watch& watch, backup::WatchReport& report) {
  const auto& table = watch.source.heartbeat;
  if (table.empty()) return;
  const bool replica = source.variable("read_only") != "OFF";
  if (!replica)
    if (const auto beaten = beat(source.client, table, report.at); !beaten.ok())
      return find(report, "heartbeat-old", beaten.error().chain());
  const auto newest = newest_beat(source.client, table);
  if (!newest.ok()) return find(report, "heartbeat-old", newest.error().chain());
  const auto allowed = watch.rpo > Duration(0) ? watch.rpo : Duration(3'600'000);
  if (!*newest) find(report, "heartbeat-old", "there is none in " + table);
  else if (report.at - **newest > allowed)
    find(report, "heartbeat-old", "the newest is of " + to_iso8601(**newest) + "; does the replica follow?");
  else if (**newest - report.at > Duration(120'000))
    find(report, "clock-wrong", "the heartbeat is of " + to_iso8601(**newest) + ", ahead of this node's clock");
}

// Somebody who holds the server's lock for backups, or waits for it, longer than a backup should.
void look_at_locks(const Source& source, backup::WatchReport& report) {
  const auto said = ask(source.client,
                        "select id, time from information_schema.processlist where time > " +
                            std::to_string(kLockOld.count() / 1000) +
                            " and (state like 'Waiting for backup lock%' or info like 'BACKUP STAGE%' or "
                            "info like 'FLUSH TABLES WITH READ LOCK%') order by time desc limit 1",
                        kWatchTimeout);
  if (!said.ok()) return;
  const auto fields = split(trim(*said), '\t');
  if (fields.size() == 2)
    find(report, "lock-old",
         "connection " + std::string(fields[0]) + " waits for or holds a backup lock since " + std::string(fields[1]) +
             " s; end it with KILL " + std::string(fields[0]));
}

}  // namespace

backup::WatchReport watch_server(const BackupHost& host, const backup::Watch& watch, const std::string& option_file) {
  auto report = watch_vault(host, watch);
  backup::Job job;
  job.plan_id = watch.plan_id;
  job.plan_name = watch.plan_name;
  job.source = watch.source;
  const auto source = open_source(host, job, option_file);
  if (!source.ok()) {
    find(report, "source-down", source.error().chain());
    if (const auto archived = remembered(host, watch.plan_id); archived && archived->last != 0) {
      report.recoverable_to = archived->until;
      report.log_gaps = archived->gaps;
    }
    return report;
  }
  look_at_heartbeat(*source, watch, report);
  if (source->logs) look_at_logs(*source, watch.plan_id, report);
  look_at_locks(*source, report);
  return report;
}

}  // namespace belay::agent::backups::mariadb
