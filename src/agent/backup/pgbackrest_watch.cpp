#include <algorithm>

#include "agent/backup/pg_text.hpp"
#include "agent/backup/pg_watch.hpp"
#include "agent/backup/pgbackrest.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "core/backup/continuity.hpp"

namespace belay::agent::backups::pgbackrest {
namespace {

constexpr Duration kPatience{20'000};
constexpr Duration kRunMax{12LL * 3600 * 1000};
constexpr std::size_t kSmallBytesMax = 64 << 10, kLogDirectoriesMax = 64;

void find(backup::WatchReport& report, const char* what, std::string detail) {
  report.findings.push_back({what, sanitize(detail, 1'000)});
}

std::string text_of(const json::Value& said, std::string_view member) { return json::text_or_empty(said, member); }

std::int64_t number_of(const json::Value& said, std::string_view member) {
  const auto* found = json::find(said, member);
  return found && found->is_int64() ? found->get_int64() : 0;
}

// What the server says of its archiver; it takes for archived whatever archive_command says it took.
const char kArchiver[] = R"(select json_build_object('last', last_archived_wal, 'last_at', last_archived_time::text,
 'failed', last_failed_wal, 'failed_at', last_failed_time::text, 'failures', failed_count,
 'lsn', pg_current_wal_lsn()::text, 'now', clock_timestamp()::text, 'mode', current_setting('archive_mode'),
 'segment', (select setting::bigint from pg_settings where name = 'wal_segment_size')) from pg_stat_archiver;)";

struct Archiver {
  std::string last, failed, lsn, mode;
  std::optional<Instant> last_at, failed_at;
  Instant now{};
  std::int64_t failures = 0;
  std::uint64_t segment_bytes = 16u << 20;
};

std::optional<Instant> time_of(const json::Value& said, std::string_view member) {
  const auto time = parse_pg_time(text_of(said, member));
  return time.ok() ? std::optional<Instant>(*time) : std::nullopt;
}

Result<Archiver> ask_archiver(const PgServer& server) {
  BELAY_TRY_ASSIGN(const auto text,
                   server.script("postgres", "set timezone = 'UTC';\n" + std::string(kArchiver), kPatience));
  BELAY_TRY_ASSIGN(const auto said, json::parse(trim(text)).within("psql printed no JSON"));
  if (!said.is_object()) return Error(Code::corrupt, "psql printed no object");
  Archiver archiver{text_of(said, "last"),
                    text_of(said, "failed"),
                    text_of(said, "lsn"),
                    text_of(said, "mode"),
                    time_of(said, "last_at"),
                    time_of(said, "failed_at"),
                    {},
                    number_of(said, "failures"),
                    16u << 20};
  if (const auto segment = number_of(said, "segment"); segment > 0)
    archiver.segment_bytes = static_cast<std::uint64_t>(segment);
  archiver.now = time_of(said, "now").value_or(Instant{});
  return archiver;
}

// Where the segment begins, as an LSN; the server's name of it also tells the timeline.
std::optional<std::uint64_t> end_of_segment(std::string_view name, std::uint64_t segment_bytes) {
  if (!is_wal_name(name.substr(0, 24))) return std::nullopt;
  const auto log = parse_lsn(std::string(name.substr(8, 8)) + "/" + std::string(name.substr(16, 8)));
  if (!log) return std::nullopt;
  return (*log >> 32) * (1ull << 32) + ((*log & 0xffffffffu) + 1) * segment_bytes;
}

void look_at_archiver(backup::WatchReport& report, const Archiver& archiver, const backup::Watch& watch) {
  if (archiver.mode == "off") {
    find(report, "archiver-failing", "archive_mode is off: no WAL leaves the server");
    return;
  }
  const bool fails = archiver.failed_at && (!archiver.last_at || *archiver.failed_at > *archiver.last_at);
  if (fails)
    find(report, "archiver-failing",
         "archive_command fails for " + archiver.failed + " since " + to_iso8601(*archiver.failed_at) + ", " +
             std::to_string(archiver.failures) + " times in all; the server's log has its words");
  const auto now = parse_lsn(archiver.lsn);
  const auto archived = end_of_segment(archiver.last, archiver.segment_bytes);
  if (!now || !archived) return;
  report.bytes_behind = *now > *archived ? *now - *archived : 0;
  if (watch.rpo.count() <= 0 || !archiver.last_at || *report.bytes_behind == 0) return;
  if (const auto late = archiver.now - *archiver.last_at; late > watch.rpo)
    find(report, "archiver-behind",
         std::to_string(*report.bytes_behind >> 10) + " KiB of WAL are not in the vault, the last segment went " +
             humanize(late) + " ago (" + archiver.last + "), and the RPO is " + humanize(watch.rpo) +
             (fails ? std::string() : "; archive_timeout of the server should be less than the RPO"));
}

// When a segment came into the vault.
Instant time_in(const Listed& listed, const std::string& segment) {
  for (std::size_t i = 0; i < listed.files.size(); ++i)
    if (listed.files[i].starts_with(segment)) return listed.times[i];
  return {};
}

// The segments that are in the vault, from the newest backup on: names in sequence, and the last that the server takes
// for archived must be among them.
Status look_at_archive(backup::WatchReport& report, const Session& session, const Archiver* archiver,
                       bool& backup_runs) {
  BELAY_TRY_ASSIGN(const auto text, session.run({"info", "--output=json", "--log-level-console=off"}, kPatience));
  BELAY_TRY_ASSIGN(const auto info, parse_info(text, session.stanza()));
  BELAY_TRY(judge(info));
  backup_runs = info.backup_runs;
  if (info.made.empty()) return {};
  const auto& newest = info.made.back();
  const auto base = "archive/" + session.stanza() + "/" + newest.archive_id;
  BELAY_TRY_ASSIGN(auto logs, session.list(base, false));
  std::sort(logs.directories.begin(), logs.directories.end());
  Listed all;
  std::vector<std::string> directories;
  for (const auto& name : logs.directories)
    if (name.size() == 16 && name.substr(8) >= newest.wal_start.substr(8, 8)) directories.push_back(name);
  if (directories.size() > kLogDirectoriesMax)
    directories.erase(directories.begin(), directories.end() - static_cast<std::ptrdiff_t>(kLogDirectoriesMax));
  for (const auto& name : directories) {
    BELAY_TRY_ASSIGN(auto listed, session.list(base + "/" + name, false));
    std::move(listed.files.begin(), listed.files.end(), std::back_inserter(all.files));
    all.times.insert(all.times.end(), listed.times.begin(), listed.times.end());
  }
  const auto names = wal_between(all.files, newest.wal_start, "");
  const auto segment_bytes = archiver ? archiver->segment_bytes : segment_bytes_of(newest);
  const auto gaps = backup::wal_gaps(names, segment_bytes);
  for (const auto& gap : gaps) {
    if (report.log_gaps.size() < backup::kLogGapsMax)
      report.log_gaps.push_back({time_in(all, gap.after), time_in(all, gap.before)});
    find(report, "log-gap",
         std::to_string(gap.missing) + " WAL segments between " + gap.after + " and " + gap.before +
             " never arrived: nothing behind can be reached from the backups before. Make a full backup");
  }
  for (const auto& time : all.times) report.recoverable_to = std::max(report.recoverable_to.value_or(time), time);
  if (!archiver || !is_wal_name(archiver->last.substr(0, 24))) return {};
  const bool arrived = std::find(names.begin(), names.end(), archiver->last.substr(0, 24)) != names.end();
  if (!arrived)
    find(report, "log-gap",
         "the server takes " + archiver->last +
             " for archived, and it is not in the vault: archive_command says "
             "success without keeping it. Look at it, then make a full backup");
  if (arrived && archiver->last_at) report.recoverable_to = archiver->last_at;
  return {};
}

// One that is held for long is a run that hangs.
void look_at_locks(const BackupHost& host, backup::WatchReport& report, const std::string& spool,
                   const Session& session) {
  const auto path = spool + "/lock/" + session.stanza() + "-backup.lock";
  const auto info = host.files.info(path);
  if (!info.ok()) return;
  const auto age = host.clock.now() - info->modified;
  if (age > kRunMax)
    find(report, "lock-old",
         "pgBackRest works on this stanza since " + humanize(age) + " (" + path + "); see what hangs: ps -u " +
             session.user_name());
}

}  // namespace

void watch(const BackupHost& host, const PgBackRestPlaces& places, const backup::Job& job, const backup::Watch& watch,
           backup::WatchReport& report) {
  const auto server = PgServer::of(host, job);
  const auto archiver = ask_archiver(server);
  if (!archiver.ok()) find(report, "source-down", archiver.error().chain());
  else {
    look_at_archiver(report, *archiver, watch);
    if (const auto beat = server.beat("watch"); !beat.ok()) find(report, "heartbeat-old", beat.error().chain());
  }
  if (const auto note = host.files.read(restore_note(host, job), kSmallBytesMax); note.ok())
    find(report, "source-down",
         "a restore in place was cut off: restore once more, it first puts back what was there before (" +
             std::string(trim(*note)) + ")");
  const auto session = Session::on_node(host, places, job);
  if (!session.ok()) return find(report, "vault-away", session.error().chain());
  bool backup_runs = false;
  const auto looked = look_at_archive(report, *session, archiver.ok() ? &*archiver : nullptr, backup_runs);
  if (!looked.ok()) find(report, "vault-away", looked.error().chain());
  // A lock goes with the process that holds it; its file may stay.
  if (backup_runs) look_at_locks(host, report, spool_directory(places, job), *session);
  look_at_space(host, job, report);
}

}  // namespace belay::agent::backups::pgbackrest
