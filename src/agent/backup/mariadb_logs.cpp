#include "agent/backup/mariadb_logs.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "core/backup/continuity.hpp"

namespace belay::agent::backups::mariadb {
namespace {

constexpr std::size_t kStateBytesMax = 64u << 10;

std::string state_path(const BackupHost& host, std::string_view plan_id) {
  return host.state_directory + "/" + std::string(plan_id) + "/binary-logs";
}

// "2026-11-27 18:00:00", in UTC; a begun second counts as a whole one: logs know no smaller unit.
std::string stop_text(Instant time) {
  auto text = to_iso8601(Instant(std::chrono::ceil<std::chrono::seconds>(time))).substr(0, 19);
  std::ranges::replace(text, 'T', ' ');
  return text;
}

Instant instant_of(std::uint64_t ms) { return from_unix_ms(static_cast<std::int64_t>(ms)); }

// "1764266296123-1764266301000 …"
std::vector<backup::LogGap> read_gaps(std::string_view text) {
  std::vector<backup::LogGap> gaps;
  for (const auto part : split(text, ' ')) {
    const auto dash = part.find('-');
    if (dash == std::string_view::npos) continue;
    const auto from = to_number(part.substr(0, dash)), until = to_number(part.substr(dash + 1));
    if (from && until && gaps.size() < backup::kLogGapsMax) gaps.push_back({instant_of(*from), instant_of(*until)});
  }
  return gaps;
}

std::uint64_t number_in(const LogPosition& position) {
  const auto log = log_number(position.file);
  return log ? log->second : 0;
}

}  // namespace

Archived read_archived(std::string_view text) {
  return {value_of(text, "base"),
          value_of(text, "epoch"),
          number_of(text, "first"),
          number_of(text, "last"),
          number_of(text, "last_bytes"),
          number_of(text, "open_bytes"),
          instant_of(number_of(text, "until")),
          value_of(text, "gap"),
          read_gaps(value_of(text, "gaps"))};
}

std::string text_of(const Archived& archived) {
  std::string text = "base = " + archived.base + "\nepoch = " + archived.epoch + "\ngap = " + archived.gap + "\n";
  const auto add = [&](const char* name, std::uint64_t value) {
    text += std::string(name) + " = " + std::to_string(value) + "\n";
  };
  add("first", archived.first);
  add("last", archived.last);
  add("last_bytes", archived.last_bytes);
  add("open_bytes", archived.open_bytes);
  add("until", static_cast<std::uint64_t>(to_unix_ms(archived.until)));
  text += "gaps =";
  for (const auto& gap : archived.gaps)
    text += " " + std::to_string(to_unix_ms(gap.from)) + "-" + std::to_string(to_unix_ms(gap.until));
  return text + "\n";
}

void note_gap(Archived& archived, Instant until) {
  archived.gaps.push_back({archived.until, until});
  if (archived.gaps.size() > backup::kLogGapsMax) archived.gaps.erase(archived.gaps.begin());
}

Archived archived_in(const std::vector<LogRun>& runs) {
  Archived archived;
  for (const auto& run : runs) {
    const bool other = run.epoch != archived.epoch;
    if (archived.last != 0 && (other || run.first > archived.last + 1)) note_gap(archived, run.until);
    if (other) archived.last = 0, archived.first = run.first;
    archived.base = run.base;
    archived.epoch = run.epoch;
    archived.last = std::max(archived.last, run.last);
    archived.until = run.until;
  }
  return archived;
}

std::optional<Archived> remembered(const BackupHost& host, std::string_view plan_id) {
  const auto state = host.files.read(state_path(host, plan_id), kStateBytesMax);
  if (!state.ok()) return std::nullopt;
  auto archived = read_archived(*state);
  if (archived.epoch.empty()) return std::nullopt;
  return archived;
}

Archived load_archived(const BackupHost& host, std::string_view plan_id, const std::vector<Stored>& all) {
  auto known = remembered(host, plan_id);
  return known ? std::move(*known) : archived_in(log_runs(all, {}));
}

Status remember(const BackupHost& host, std::string_view plan_id, const Archived& archived) {
  BELAY_TRY(host.files.make_directories(host.state_directory + "/" + std::string(plan_id), 0700));
  return host.files.write_durable(state_path(host, plan_id), text_of(archived), 0600);
}

bool is_another_sequence(const Archived& archived, const std::vector<ServerLog>& server) {
  if (archived.epoch.empty()) return true;
  if (archived.last == 0 || server.empty()) return false;
  const auto open = log_number(server.back().name);
  if (!open || open->first != archived.base || open->second <= archived.last) return true;
  return std::ranges::any_of(server, [&](const auto& log) {
    return log.name == log_name(archived.base, archived.last) && archived.last_bytes != 0 &&
           log.bytes != archived.last_bytes;
  });
}

ToArchive to_archive(const Archived& archived, const std::vector<ServerLog>& server, const LogPosition& needed_from) {
  ToArchive plan;
  const auto open = server.empty() ? std::nullopt : log_number(server.back().name);
  if (!open) return plan;
  auto next = archived.last + 1;
  if (archived.last == 0) next = needed_from.file.empty() ? open->second : number_in(needed_from);
  std::vector<std::string> names{log_name(open->first, next - 1), server.back().name};
  for (const auto& log : server) {
    const auto number = log_number(log.name);
    if (!number || number->first != open->first || number->second < next || number->second >= open->second) continue;
    plan.logs.push_back(log);
    names.push_back(log.name);
  }
  if (next > open->second) return plan;
  for (const auto& gap : backup::binlog_gaps(names))
    plan.gap = std::to_string(gap.missing) + " binary logs between " + gap.after + " and " + gap.before +
               " were deleted before they were archived";
  return plan;
}

Result<std::vector<ServerLog>> flush_logs(const Source& source) {
  BELAY_TRY_ASSIGN(const auto said, ask(source.client, "flush no_write_to_binlog binary logs; show binary logs"));
  auto logs = read_server_logs(said);
  if (logs.empty()) return Error(Code::unavailable, "the database server shows no binary logs", "log-gap");
  return logs;
}

Status archive_logs(const Source& source, Repository& repository, const LogPosition& needed_from, Archived& archived,
                    std::vector<std::string>& remarks) {
  const auto& host = *source.client.host;
  const auto& job = *source.client.job;
  const auto until = host.clock.now();
  BELAY_TRY_ASSIGN(const auto server, flush_logs(source));
  const auto plan = to_archive(archived, server, needed_from);
  if (!plan.gap.empty()) {
    remarks.push_back(plan.gap + "; no point in time in between can be restored: let the server keep its logs longer");
    archived.gap = plan.gap;
    note_gap(archived, until);
  }
  archived.open_bytes = server.back().bytes;
  archived.until = until;
  if (plan.logs.empty()) return remember(host, job.plan_id, archived);
  const auto first = log_number(plan.logs.front().name), last = log_number(plan.logs.back().name);
  StoreWhat what;
  for (const auto& log : plan.logs) what.paths.push_back(log.name);
  what.must_exist = what.paths;
  what.relative_to = source.log_directory();
  what.tags = {"belay",
               "engine=" + std::string(backup::text_of(job.source.engine)),
               "first=" + plan.logs.front().name,
               "last=" + plan.logs.back().name,
               "epoch=" + archived.epoch,
               "until=" + std::to_string(to_unix_ms(until))};
  BELAY_TRY_ASSIGN(const auto stored, repository.store(what));
  if (stored.partial || stored.files != plan.logs.size())
    return Error(Code::corrupt,
                 "of " + std::to_string(plan.logs.size()) + " binary logs " + std::to_string(stored.files) +
                     " were archived; were they deleted meanwhile?",
                 "log-gap");
  archived.base = first->first;
  if (archived.first == 0) archived.first = first->second;
  archived.last = last->second;
  archived.last_bytes = plan.logs.back().bytes;
  return remember(host, job.plan_id, archived);
}

namespace {

// The runs that are needed, or why they do not do.
Result<std::vector<LogRun>> runs_for(const std::vector<LogRun>& runs, const LogsWanted& wanted) {
  std::vector<LogRun> needed;
  bool reaches = false;
  Instant until{};
  for (const auto& run : runs) {
    if (run.last < number_in(wanted.from)) continue;
    if (wanted.to && run.first > number_in(*wanted.to)) break;
    needed.push_back(run);
    until = run.until;
    reaches = wanted.to ? run.last >= number_in(*wanted.to) : run.until >= *wanted.until;
    if (reaches && wanted.until) break;
  }
  if (reaches) return needed;
  const auto aim = wanted.to ? text_of(*wanted.to) : to_iso8601(*wanted.until);
  return Error(
      Code::not_found,
      "the archived binary logs do not reach " + aim + ": " +
          (needed.empty() ? "there are none after " + text_of(wanted.from) : "they end at " + to_iso8601(until)) +
          "; choose an earlier time, or make a backup first",
      "logs-too-short");
}

}  // namespace

Result<std::vector<std::string>> fetch_logs(const BackupHost& host, Repository& repository,
                                            const std::vector<Stored>& all, const LogsWanted& wanted,
                                            const std::string& directory) {
  BELAY_ASSERT(wanted.to.has_value() != wanted.until.has_value());
  BELAY_TRY_ASSIGN(const auto runs, runs_for(log_runs(all, wanted.epoch), wanted));
  BELAY_TRY(host.files.make_directories(directory, 0755));
  const auto last = wanted.to ? number_in(*wanted.to) : runs.back().last;
  std::vector<std::string> include, files;
  for (auto number = number_in(wanted.from); number <= last; ++number) {
    const auto name = log_name(runs.front().base, number);
    const auto run =
        std::ranges::find_if(runs, [&](const auto& one) { return one.first <= number && number <= one.last; });
    if (run == runs.end())
      return Error(Code::corrupt,
                   "the binary log " + name + " was never archived: nothing after it can be recovered by logs",
                   "log-gap");
    files.push_back(directory + "/" + name);
  }
  for (const auto& run : runs) {
    BELAY_TRY_ASSIGN(const auto got, repository.restore(run.snapshot_id, directory));
    static_cast<void>(got);
  }
  for (const auto& file : files)
    if (!host.files.info(file).ok())
      return Error(Code::corrupt,
                   "the binary log " + file + " is not in the repository: nothing after it can be recovered",
                   "log-gap");
  return files;
}

Result<std::optional<Instant>> recover(const Client& client, const std::vector<std::string>& files,
                                       const LogsWanted& wanted, const std::string& scratch) {
  const auto& host = *client.host;
  const auto& job = *client.job;
  BELAY_TRY_ASSIGN(const auto program, first_program(host, job, {"mariadb-binlog", "mysqlbinlog"}));
  const auto decoded = scratch + "/recover.sql";
  Call what;
  what.argv = {program.name, "--no-defaults", "--verify-binlog-checksum",
               "--start-position=" + std::to_string(wanted.from.offset), "--result-file=" + decoded};
  if (wanted.to) what.argv.push_back("--stop-position=" + std::to_string(wanted.to->offset));
  else what.argv.push_back("--stop-datetime=" + stop_text(*wanted.until));
  what.argv.insert(what.argv.end(), files.begin(), files.end());
  what.environment["TZ"] = "UTC";  // the zone that it reads the time in
  what.timeout = job.limits.timeout;
  BELAY_TRY_ASSIGN(const auto outcome, call(host, job, std::move(what)));
  BELAY_TRY(judge_client(outcome, "reading the binary logs"));
  std::optional<Instant> newest;
  {
    BELAY_TRY_ASSIGN(const auto mapped, io::MappedFile::open(decoded));
    if (mapped.text().rfind("# End of log file") == std::string_view::npos)
      return Error(Code::corrupt, "the binary logs were not read to their end", "log-gap");
    newest = newest_change(mapped.text());
  }
  BELAY_TRY(load(client, decoded).within("cannot apply the binary logs"));
  BELAY_TRY(host.files.remove(decoded));
  return newest;
}

}  // namespace belay::agent::backups::mariadb
