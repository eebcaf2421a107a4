// Databases of SQLite, copied by SQLite's own program while they are in use; the copies are kept by restic.
//
// The program runs as the owner of the file: a rolled back transaction, a log or an index of it that the copy makes it
// write belongs to whom it must belong, and a file that was made to hurt who opens it hurts its owner alone. In WAL
// mode one reading transaction is held for the whole copy: writers go on, and it is as of one moment (sqlite.org,
// "Isolation In SQLite"). In other modes such a transaction would hold up every writer, so the copy gives way to them
// and begins anew after each write (sqlite.org, "Using the SQLite Online Backup API"); the time it may take is bounded.
#include <algorithm>
#include <charconv>

#include "agent/backup/engines.hpp"
#include "agent/backup/files_engine.hpp"
#include "agent/backup/vault_parts.hpp"
#include "base/text.hpp"

namespace belay::agent::backups {
namespace {

using backup::Fingerprint;
using backup::Job;
using backup::JobReport;
using backup::ProofLevel;

constexpr std::uint64_t kRoomReserve = 64u << 20;
constexpr std::size_t kTablesMax = 1'500;
constexpr Duration kAskTimeout{1'800'000};
constexpr Duration kLookTimeout{120'000};
constexpr std::string_view kCopy = "copy";
constexpr std::string_view kColumnEnd = "\x1f";

std::vector<std::string> program(const std::string& database, bool of_ours) {
  std::vector<std::string> argv{
      "sqlite3", "-batch", "-bail", "-noheader", "-list", "-separator", std::string(kColumnEnd)};
  // Nobody writes to a copy of ours, so that no log has to be made beside it.
  if (of_ours) argv.insert(argv.end(), {"-readonly", "file:" + percent_encode(database) + "?immutable=1"});
  else argv.insert(argv.end(), {"-cmd", ".timeout 60000", database});
  return argv;
}

// Of a database in use, as its owner.
Result<std::string> ask_source(const BackupHost& host, const Job& job, const std::string& path, std::string script,
                               const std::string& directory, Duration timeout) {
  BELAY_TRY_ASSIGN(const auto info, host.files.info(path));
  Call what;
  what.argv = program(path, false);
  // Else the last one to close it would write its log into the database.
  what.standard_input = ".dbconfig no_ckpt_on_close on\n" + std::move(script);
  what.user = info.owner == 0 ? std::string() : std::to_string(info.owner);
  what.directory = directory;
  what.timeout = timeout;
  what.gently = true;
  auto said = must(host, job, std::move(what)).within("the database " + path);
  if (!said.ok()) return said;
  // The answer to .dbconfig itself.
  const auto own = said->find('\n');
  return own == std::string::npos ? std::string() : said->substr(own + 1);
}

// Of a copy: by nobody, within walls.
Result<std::string> ask_copy(const BackupHost& host, const Job& job, const std::string& path, std::string script,
                             Duration timeout = kAskTimeout) {
  Call what;
  what.argv = program(path, true);
  what.standard_input = std::move(script);
  what.user = kNobody;
  what.reads_all = what.isolated = true;
  what.directory = "/";
  what.timeout = timeout;
  what.gently = true;
  return must(host, job, std::move(what));
}

std::string from_hex(std::string_view text) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    unsigned value = 0;
    std::from_chars(text.data() + i, text.data() + i + 2, value, 16);
    bytes += static_cast<char>(value);
  }
  return bytes;
}

std::string quoted(std::string_view name) {
  std::string text = "\"";
  for (const char c : name) text += c == '"' ? std::string("\"\"") : std::string(1, c);
  return text + "\"";
}

// "PATH:TABLE" with the number of its rows. Virtual tables are left out: their module need not be there.
Result<std::vector<Fingerprint>> rows_of(const BackupHost& host, const Job& job, const std::string& copy,
                                         const std::string& path) {
  BELAY_TRY_ASSIGN(const auto tables,
                   ask_copy(host, job, copy,
                            "select hex(name) from sqlite_master where type = 'table' and rootpage > 0 and name not "
                            "like 'sqlite\\_%' escape '\\' order by name limit " +
                                std::to_string(kTablesMax) + ";\n"));
  std::vector<Fingerprint> prints;
  std::string script;
  for (const auto line : split(tables, '\n')) {
    if (trim(line).empty()) continue;
    const auto name = from_hex(trim(line));
    script += "select count(*) from " + quoted(name) + ";\n";
    prints.push_back({path + ":" + sanitize(name, 200), 0, ""});
  }
  if (prints.empty()) return prints;
  BELAY_TRY_ASSIGN(const auto counts, ask_copy(host, job, copy, std::move(script)));
  const auto lines = split(counts, '\n');
  for (std::size_t i = 0; i < prints.size(); ++i) {
    const auto count = i < lines.size() ? trim(lines[i]) : std::string_view();
    const auto [end, error] = std::from_chars(count.data(), count.data() + count.size(), prints[i].rows);
    if (error != std::errc() || end != count.data() + count.size())
      return Error(Code::internal, "sqlite3 does not say how many rows " + prints[i].subject + " has",
                   "not-understood");
  }
  return prints;
}

Status check_integrity(const BackupHost& host, const Job& job, const std::string& copy) {
  BELAY_TRY_ASSIGN(const auto said, ask_copy(host, job, copy, "pragma integrity_check(20);\n"));
  if (trim(said) == "ok") return {};
  return Error(Code::corrupt, "PRAGMA integrity_check says: " + sanitize(trim(said), 500), "source-damaged");
}

// Its bytes with those of its log.
Result<std::uint64_t> size_of(const BackupHost& host, const std::string& path) {
  const auto info = host.files.info(path);
  if (!info.ok())
    return Error(Code::not_found, path + " is not there, and the plan backs it up; is its file system mounted?",
                 "source-missing");
  if (info->kind != io::FileInfo::Kind::file)
    return Error(Code::invalid_argument, path + " is no plain file; name the database's file itself", "source-missing");
  const auto log = host.files.info(path + "-wal");
  return info->bytes + (log.ok() ? log->bytes : 0);
}

class Sqlite final : public ResticFiles {
 public:
  using ResticFiles::ResticFiles;
  backup::EngineName name() const override { return backup::EngineName::sqlite; }
  JobReport restore(const Job& job, const Secrets& secrets) override;

 protected:
  void look_at_source(const Job& job, JobReport& report) override;
  Result<Prepared> prepare(const Job& job, const VaultAccess& access, JobReport& report) override;
  std::vector<Fingerprint> examine(const Job& job, const std::string& root, JobReport& report) override;
  void start(const Job& job, const std::string& root, JobReport& report) override;
  std::function<Result<std::string>(const backup::Check&)> asker(const Job& job, const std::string& root) override;
  std::vector<std::string> companions() const override { return {"-wal", "-shm", "-journal"}; }

 private:
  Status copy_one(const Job& job, const std::string& path, std::uint64_t bytes, const std::string& root,
                  JobReport& report);
};

// In place: the files where they were; what is there is put aside.
JobReport Sqlite::restore(const Job& job, const Secrets& secrets) {
  if (!job.restore || !job.restore->in_place) return ResticFiles::restore(job, secrets);
  auto where = job;
  where.restore->path = "/";
  where.restore->over = true;
  if (where.restore->paths.empty()) where.restore->paths = job.source.paths;
  return ResticFiles::restore(where, secrets);
}

void Sqlite::look_at_source(const Job& job, JobReport& report) {
  for (const auto& path : job.source.paths) {
    if (const auto size = size_of(host_, path); !size.ok()) {
      fail(report, ProofLevel::P0, path, size.error().chain());
      continue;
    }
    const auto said =
        ask_source(host_, job, path, "pragma journal_mode; select count(*) from sqlite_master;\n", "/", kLookTimeout);
    if (said.ok()) pass(report, ProofLevel::P0, path, "opens; journal mode " + std::string(split(*said, '\n').front()));
    else fail(report, ProofLevel::P0, path, said.error().chain());
  }
}

// Into root + path, with the owner and the mode of the file and of the directories above it.
Status Sqlite::copy_one(const Job& job, const std::string& path, std::uint64_t bytes, const std::string& root,
                        JobReport& report) {
  BELAY_TRY_ASSIGN(const auto info, host_.files.info(path));
  BELAY_TRY_ASSIGN(const auto room, Scratch::make(host_, job, bytes + bytes / 20 + kRoomReserve,
                                                  info.owner == 0 ? std::string() : std::to_string(info.owner)));
  BELAY_TRY_ASSIGN(const auto mode, ask_source(host_, job, path, "pragma journal_mode;\n", "/", kLookTimeout));
  const bool keeps_log = trim(mode) == "wal";
  std::string script = ".backup main " + std::string(kCopy) + "\n";
  if (keeps_log) script = "begin;\nselect count(*) from sqlite_master;\n" + script + "commit;\n";
  const auto copied = ask_source(host_, job, path, std::move(script), room.path(), job.limits.timeout);
  if (!copied.ok() && !keeps_log && copied.error().message().find("locked") != std::string::npos)
    return Error(Code::unavailable,
                 path +
                     " is written to all the time, so that no copy comes to its end; set its journal_mode to WAL, or "
                     "let a `before` command of the plan hold its writers",
                 "source-busy");
  if (!copied.ok()) return copied.error();
  const auto copy = room.path() + "/" + std::string(kCopy);
  const auto made = host_.files.info(copy);
  if (!made.ok() || (made->bytes == 0 && info.bytes > 0))
    return Error(Code::internal, "sqlite3 ended with 0, and there is no copy of " + path, "not-understood");
  pass(report, ProofLevel::P0, path,
       "copied in journal mode " + std::string(trim(mode)) + ": " + std::to_string(made->bytes) + " bytes");
  Call place;
  place.argv = {"cp", "--parents", "--attributes-only", "--preserve=mode,ownership,timestamps", "--", path, root};
  place.directory = "/";
  BELAY_TRY_ASSIGN(const auto placed, must(host_, job, std::move(place)));
  for (const char* tool : {"chown", "chmod"}) {
    Call alike;
    alike.argv = {tool, "--reference=" + path, "--", copy};
    alike.directory = "/";
    BELAY_TRY_ASSIGN(const auto done, must(host_, job, std::move(alike)));
  }
  return host_.files.rename_durable(copy, root + path);
}

Result<Prepared> Sqlite::prepare(const Job& job, const VaultAccess&, JobReport& report) {
  std::vector<std::uint64_t> sizes;
  std::uint64_t all = 0;
  for (const auto& path : job.source.paths) {
    BELAY_TRY_ASSIGN(const auto bytes, size_of(host_, path));
    sizes.push_back(bytes);
    all += bytes;
  }
  Prepared made;
  BELAY_TRY_ASSIGN(auto room, Scratch::make(host_, job, all + all / 20 + kRoomReserve));
  const auto root = room.path();
  made.held = std::make_shared<Scratch>(std::move(room));
  made.what.paths = {"."};
  made.what.relative_to = root;
  made.what.tags = {"belay", "plan=" + job.plan_id};
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    const auto& path = job.source.paths[i];
    if (!made.taken_at) made.taken_at = host_.clock.now();
    BELAY_TRY(copy_one(job, path, sizes[i], root, report));
    if (const auto whole = check_integrity(host_, job, root + path); !whole.ok())
      return whole.error().within("the database " + path +
                                  " is damaged, and a copy of it would be; restore it from an older point");
    pass(report, ProofLevel::P1, path, "PRAGMA integrity_check of the copy: ok");
    BELAY_TRY_ASSIGN(const auto prints, rows_of(host_, job, root + path, path));
    for (const auto& print : prints) {
      made.rows += print.rows;
      if (made.prints.size() < kTablesMax) made.prints.push_back(print);
    }
    if (prints.empty()) made.remarks.push_back(path + " has no table");
  }
  BELAY_TRY_ASSIGN(const auto version,
                   ask_copy(host_, job, root + job.source.paths.front(), "select sqlite_version();\n"));
  made.server_version = "SQLite " + sanitize(trim(version), 40);
  return made;
}

std::vector<Fingerprint> Sqlite::examine(const Job& job, const std::string& root, JobReport& report) {
  std::vector<Fingerprint> all;
  for (const auto& path : job.source.paths) {
    const auto prints = rows_of(host_, job, root + path, path);
    if (!prints.ok()) fail(report, ProofLevel::P3, path, prints.error());
    else all.insert(all.end(), prints->begin(), prints->end());
  }
  return all;
}

void Sqlite::start(const Job& job, const std::string& root, JobReport& report) {
  for (const auto& path : job.source.paths) {
    const auto whole = check_integrity(host_, job, root + path);
    if (whole.ok()) pass(report, ProofLevel::P4, path, "opens in isolation; PRAGMA integrity_check: ok");
    else fail(report, ProofLevel::P4, path, whole.error());
  }
}

std::function<Result<std::string>(const backup::Check&)> Sqlite::asker(const Job& job, const std::string& root) {
  return [this, &job, root](const backup::Check& check) -> Result<std::string> {
    const auto& paths = job.source.paths;
    const auto is_meant = [&](const std::string& path) {
      return check.database.empty() ? paths.size() == 1
                                    : path == check.database || path.ends_with("/" + check.database);
    };
    const auto path = std::ranges::find_if(paths, is_meant);
    if (path == paths.end())
      return Error(Code::invalid_argument, "the check's database is '" + sanitize(check.database, 100) +
                                               "'; name the file of one of " + join(paths, ", "));
    BELAY_TRY_ASSIGN(const auto said, ask_copy(host_, job, root + *path, check.sql + "\n;\n", check.timeout));
    const auto row = split(said, '\n').front();
    return std::string(row.substr(0, row.find(kColumnEnd)));
  };
}

}  // namespace

std::unique_ptr<BackupEngine> make_sqlite(const BackupHost& host) { return std::make_unique<Sqlite>(host); }

}  // namespace belay::agent::backups
