#include <algorithm>

#include "agent/backup/pg_dump.hpp"
#include "base/text.hpp"

namespace belay::agent::backups::dumps {
namespace {

using backup::JobReport;
using backup::ProofLevel;

constexpr std::uint64_t kRoomBeside = 512u << 20;

// A name may hold what else would be taken for options of a connection.
std::string connection_to(const std::string& database) {
  std::string text = "dbname='";
  for (const char c : database) {
    if (c == '\'' || c == '\\') text += '\\';
    text += c;
  }
  return text + "'";
}

// An empty cluster, made for the drill with the superuser of the source.
Status init_cluster(const BackupHost& host, const backup::Job& job, const PgDrillPlace& place,
                    const Manifest& manifest) {
  Call what;
  what.argv = {place.programs + "/initdb", "-D", place.data, "-A",         "trust",     "-U",
               manifest.superuser,         "-E", "UTF8",     "--locale=C", "--no-sync", "--data-checksums"};
  what.user = place.user;
  what.timeout = Duration(600'000);
  const auto made = must(host, job, std::move(what));
  return made.ok() ? Status() : Status(made.error());
}

constexpr std::size_t kGlobalsBytesMax = 16u << 20;

}  // namespace

Status load_globals(const PgServer& server, const std::string& file) {
  Call what;
  what.argv = server.reach("psql");
  what.argv.insert(what.argv.end(), {"-X", "-q", "-d", "postgres", "-f", file});
  what.timeout = Duration(600'000);
  BELAY_TRY_ASSIGN(const auto outcome, server.run(std::move(what)));
  if (!outcome.success()) return Error(Code::internal, "psql of the roles " + how_it_ended(outcome));
  // It goes on after an error, for a role that is there already is none. Tablespaces lie where this machine has
  // nothing.
  for (const auto line : split(outcome.standard_error, '\n')) {
    const auto at = line.find("ERROR:");
    if (at == line.npos || (line.find("role \"") != line.npos && line.find("already exists") != line.npos)) continue;
    if (line.find("tablespace") != line.npos || line.find("directory \"") != line.npos) continue;
    return Error(Code::conflict, "the roles of the cluster cannot be restored: " + sanitize(line.substr(at), 500));
  }
  return {};
}

Status load(const PgServer& server, const std::string& dump, const std::string& database, std::uint32_t processes,
            bool with_tablespaces, const std::string& as_name) {
  Call what;
  what.argv = server.reach("pg_restore");
  what.argv.emplace_back("--exit-on-error");
  if (!with_tablespaces) what.argv.emplace_back("--no-tablespaces");
  if (processes > 1) what.argv.insert(what.argv.end(), {"-j", std::to_string(std::min(processes, 32u))});
  // What is there from the beginning is filled, all else is made as it was.
  const auto into = as_name.empty() && database == "postgres" ? database : as_name;
  if (into.empty()) what.argv.insert(what.argv.end(), {"--create", "-d", "postgres"});
  else what.argv.insert(what.argv.end(), {"-d", connection_to(into)});
  what.argv.push_back(dump);
  what.timeout = Duration(24LL * 3600 * 1000);
  BELAY_TRY_ASSIGN(const auto outcome, server.run(std::move(what)));
  if (outcome.success()) return {};
  return Error(Code::corrupt, "pg_restore of " + database + " " + how_it_ended(outcome));
}

namespace {

Result<PgDrillPlace> place_of(const BackupHost& host, const Manifest& manifest, const std::string& root,
                              const std::string& user) {
  PgDrillPlace place;
  place.root = root;
  place.data = root + "/data";
  place.user = user;
  place.libraries = manifest.libraries;
  place.programs = pg_programs(host, manifest.major);
  if (place.programs.empty())
    return Error(Code::not_found,
                 "PostgreSQL " + std::to_string(manifest.major) + " is not installed here; install postgresql-" +
                     std::to_string(manifest.major),
                 "program-missing");
  return place;
}

Status load_all(JobReport& report, const PgServer& server, const Manifest& manifest, const std::string& directory,
                const backup::Job& job) {
  BELAY_TRY(load_globals(server, directory + "/globals.sql"));
  for (const auto& one : manifest.databases) {
    const auto loaded = load(server, directory + "/" + one.file, one.database, job.limits.processes, false);
    if (loaded.ok()) pass(report, ProofLevel::P3, "pg_restore " + one.database, "to its end, without an error");
    else fail(report, ProofLevel::P3, "pg_restore " + one.database, loaded.error());
  }
  return {};
}

Status drill(const BackupHost& host, const backup::Job& job, JobReport& report, const Scratch& scratch,
             const Manifest& manifest, Stopwatch& watch, Duration begun) {
  BELAY_TRY_ASSIGN(const auto place,
                   place_of(host, manifest, scratch.path(), job.source.user.empty() ? "postgres" : job.source.user));
  BELAY_TRY(init_cluster(host, job, place, manifest));
  BELAY_TRY_ASSIGN(auto drilled, PgDrill::start(host, job, place));
  BELAY_TRY(drilled.wait_until_recovered());
  const auto server = drilled.server();
  watch.begin("load");
  BELAY_TRY(load_all(report, server, manifest, scratch.path(), job));
  BELAY_TRY(server.ask("postgres", "analyze; select 1;"));
  report.time_to_restore = host.clock.monotonic() - begun;
  report.restored_to = manifest.taken_at;
  watch.begin("verify");
  auto point = job.points.front();
  if (point.fingerprints.empty()) point.fingerprints = manifest.fingerprints;
  if (holds_so_far(report)) compare_with_point(report, server, point);
  if (job.level >= ProofLevel::P4 && holds_so_far(report)) check_running(host, report, server);
  if (job.level >= ProofLevel::P5 && holds_so_far(report)) check_wishes(host, job, report, drilled, place);
  if (job.level >= ProofLevel::P4 && holds_so_far(report)) check_stopped(host, job, report, drilled, place);
  watch.end();
  return {};
}

}  // namespace

Status prove(const BackupHost& host, const backup::Job& given, const Secrets& secrets, JobReport& report) {
  const auto job = walled(given);
  Stopwatch watch(host.clock, report);
  BELAY_TRY_ASSIGN(const auto place, open_place(host, job, secrets, false));
  BELAY_TRY_ASSIGN(const auto stored, stored_point(*place->repository, job));
  BELAY_TRY_ASSIGN(const auto bytes, bytes_of(*place->repository, stored.snapshot_id));
  pass(report, ProofLevel::P0, "snapshot", stored.snapshot_id + ", " + std::to_string(bytes >> 10) + " KiB");
  if (job.level >= ProofLevel::P1) {
    watch.begin("check");
    const auto whole = place->repository->check(job.level >= ProofLevel::P2);
    if (!whole.ok()) {
      fail(report, job.level >= ProofLevel::P2 ? ProofLevel::P2 : ProofLevel::P1, "repository", whole.error());
      return {};
    }
    pass(report, ProofLevel::P1, "repository", "its index and trees are whole");
    if (job.level >= ProofLevel::P2) pass(report, ProofLevel::P2, "repository", "every byte was read, and is right");
  }
  if (job.level < ProofLevel::P3) return {};
  const auto begun = host.clock.monotonic();
  watch.begin("fetch");
  // The dumps, and what they become: indexes are not in them.
  BELAY_TRY_ASSIGN(const auto scratch, Scratch::make(host, job, 4 * bytes + kRoomBeside,
                                                     job.source.user.empty() ? "postgres" : job.source.user));
  if (const auto fetched = place->repository->restore(stored.snapshot_id, scratch.path()); !fetched.ok())
    return fetched.error();
  BELAY_TRY_ASSIGN(const auto manifest, read_manifest(host, scratch.path()));
  BELAY_TRY_ASSIGN(const auto owner, system_user(host, job.source.user.empty() ? "postgres" : job.source.user));
  BELAY_TRY(give_to(host, owner, scratch.path(), true));
  for (const auto& one : manifest.databases) {
    const auto info = host.files.info(scratch.path() + "/" + one.file);
    if (!info.ok() || info->bytes != one.bytes) {
      fail(report, ProofLevel::P3, one.database, "its dump is not as long as it was: " + one.file);
      return {};
    }
    report.bytes += info->bytes;
  }
  return drill(host, job, report, scratch, manifest, watch, begun);
}

namespace {

std::string parent_of(const std::string& path) { return path.substr(0, std::max<std::size_t>(path.rfind('/'), 1)); }

bool is_wanted(const backup::RestoreTo& to, const std::string& database) {
  return to.paths.empty() || std::find(to.paths.begin(), to.paths.end(), database) != to.paths.end();
}

Status restore_files(const BackupHost& host, const backup::Job& job, Repository& repository, const Stored& stored,
                     std::uint64_t bytes, JobReport& report) {
  const auto& to = *job.restore;
  if (!to.path.starts_with('/') || to.path.size() < 2)
    return Error(Code::invalid_argument, "a restore of dumps needs an absolute directory, not \"" + to.path + "\"");
  const auto there = host.files.list(to.path);
  const bool occupied = there.ok() && !there->empty();
  if (occupied && !to.over)
    return Error(Code::conflict,
                 to.path + " is not empty: name an empty directory, or ask for what is there to be put aside",
                 "target-not-empty");
  if (to.preview) {
    report.output += "would restore " + std::to_string(bytes >> 10) + " KiB of dumps to " + to.path + "\n";
    return {};
  }
  if (occupied) {
    const auto aside = to.path + ".before-" + job.job_id;
    BELAY_TRY(move_to(host, job, to.path, aside));
    report.output += "what was in " + to.path + " is now " + aside + "\n";
  }
  BELAY_TRY(host.files.make_directories(parent_of(to.path), 0755));
  BELAY_TRY(host.files.make_directories(to.path, 0700));
  BELAY_TRY_ASSIGN(const auto restored, repository.restore(stored.snapshot_id, to.path));
  report.bytes = restored.first;
  report.files = restored.second;
  BELAY_TRY_ASSIGN(const auto manifest, read_manifest(host, to.path));
  report.restored_to = manifest.taken_at;
  report.output += "manifest.json tells which file is which database; createdb, then pg_restore --exit-on-error\n";
  return {};
}

// What the dump has of `what` and the server has not.
Result<std::vector<std::string>> missing_here(const PgServer& server, std::string_view globals, std::string_view what,
                                              const std::string& known) {
  BELAY_TRY_ASSIGN(const auto text, server.ask("postgres", known));
  const auto there = split(text, '\n');
  std::vector<std::string> missing;
  for (auto& name : names_created(globals, what))
    if (std::find(there.begin(), there.end(), name) == there.end()) missing.push_back(std::move(name));
  return missing;
}

// A live server's roles stay as they are: the dump's would bring back passwords that were changed and rights that were
// taken since. What owns something and is not there is made without a login and without rights.
Status make_missing_roles(const PgServer& server, std::string_view globals, bool preview, JobReport& report) {
  BELAY_TRY_ASSIGN(const auto roles,
                   missing_here(server, globals, "ROLE", "select quote_ident(rolname) from pg_roles;"));
  for (const auto& role : roles)
    if (!preview) BELAY_TRY(server.ask("postgres", "create role " + role + " nologin;"));
  if (!roles.empty())
    report.output += std::string(preview ? "would make" : "made") +
                     " the roles that are missing here, without login or rights: " + sanitize(join(roles, ", "), 1000) +
                     "\n";
  report.output += "roles that are there keep their passwords and rights; globals.sql of the point has those of then\n";
  return {};
}

// Into the server beside what it has: shop_restored_0123abcd. Where it is to be in the place of the old one, both are
// renamed once the new one is whole.
Status restore_database(const PgServer& server, const backup::Job& job, const std::string& file, const Dumped& one,
                        bool with_tablespaces, JobReport& report) {
  const auto tail = job.job_id.substr(job.job_id.size() > 8 ? job.job_id.size() - 8 : 0);
  const auto name = one.database.substr(0, 40) + "_restored_" + tail;
  const auto old = one.database.substr(0, 40) + "_before_" + tail;
  BELAY_TRY_ASSIGN(const auto there, server.databases());
  const auto has = [&](const std::string& database) {
    return std::find(there.begin(), there.end(), database) != there.end();
  };
  if (has(name)) BELAY_TRY(server.ask("postgres", "drop database " + sql_identifier(name) + ";"));  // of a run cut off
  std::string like = "template template0 encoding 'UTF8'";
  if (has(one.database)) {
    BELAY_TRY_ASSIGN(like,
                     server.ask("postgres",
                                "select format('template template0 encoding %L lc_collate %L lc_ctype %L owner %I', "
                                "pg_encoding_to_char(encoding), datcollate, datctype, pg_get_userbyid(datdba)) from "
                                "pg_database where datname = " +
                                    sql_literal(one.database) + ";"));
  }
  BELAY_TRY(server.ask("postgres", "create database " + sql_identifier(name) + " " + like + ";"));
  const auto loaded = load(server, file, one.database, job.limits.processes, with_tablespaces, name);
  if (!loaded.ok()) {
    static_cast<void>(server.ask("postgres", "drop database " + sql_identifier(name) + ";"));
    return loaded;
  }
  pass(report, ProofLevel::P3, "pg_restore " + one.database, "into the database " + name);
  if (!job.restore->over) return {};
  if (has(one.database))
    BELAY_TRY(server.script(
        "postgres",
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = " + sql_literal(one.database) +
            ";\nbegin; alter database " + sql_identifier(one.database) + " rename to " + sql_identifier(old) +
            "; alter database " + sql_identifier(name) + " rename to " + sql_identifier(one.database) + "; commit;\n"));
  else
    BELAY_TRY(server.ask(
        "postgres", "alter database " + sql_identifier(name) + " rename to " + sql_identifier(one.database) + ";"));
  if (has(one.database)) report.put_aside.push_back("database " + old);
  report.output += one.database + " is the restored one now" +
                   (has(one.database) ? ", the one before it is " + old : std::string()) + "\n";
  return {};
}

}  // namespace

Status restore(const BackupHost& host, const backup::Job& job, const Secrets& secrets, JobReport& report) {
  if (!job.restore) return Error(Code::invalid_argument, "the job names no place to restore to");
  if (job.restore->time)
    return Error(Code::unsupported, "dumps are of one moment each: there is no point in time in them", "no-logs");
  Stopwatch watch(host.clock, report);
  watch.begin("restore");
  const auto begun = host.clock.monotonic();
  BELAY_TRY_ASSIGN(const auto place, open_place(host, job, secrets, false));
  BELAY_TRY_ASSIGN(const auto stored, stored_point(*place->repository, job));
  BELAY_TRY_ASSIGN(const auto bytes, bytes_of(*place->repository, stored.snapshot_id));
  if (!job.restore->in_place) {
    BELAY_TRY(restore_files(host, job, *place->repository, stored, bytes, report));
    watch.end();
    if (!job.restore->preview) report.time_to_restore = host.clock.monotonic() - begun;
    return {};
  }
  auto server = PgServer::of(host, job);
  BELAY_TRY_ASSIGN(const auto facts, server.facts());
  if (const auto programs = pg_programs(host, facts.major); !programs.empty()) server.set_programs(programs);
  BELAY_TRY_ASSIGN(const auto scratch, Scratch::make(host, job, bytes + (64u << 20), server.user()));
  if (const auto fetched = place->repository->restore(stored.snapshot_id, scratch.path()); !fetched.ok())
    return fetched.error();
  BELAY_TRY_ASSIGN(const auto manifest, read_manifest(host, scratch.path()));
  BELAY_TRY_ASSIGN(const auto owner, system_user(host, server.user()));
  BELAY_TRY(give_to(host, owner, scratch.path(), true));
  BELAY_TRY_ASSIGN(const auto globals, host.files.read(scratch.path() + "/globals.sql", kGlobalsBytesMax));
  BELAY_TRY(make_missing_roles(server, globals, job.restore->preview, report));
  BELAY_TRY_ASSIGN(const auto places,
                   missing_here(server, globals, "TABLESPACE", "select quote_ident(spcname) from pg_tablespace;"));
  if (!places.empty())
    report.output +=
        "everything goes to the default tablespace: there is no " + sanitize(join(places, ", "), 500) + " here\n";
  for (const auto& one : manifest.databases) {
    if (!is_wanted(*job.restore, one.database)) continue;
    report.bytes += one.bytes;
    if (job.restore->preview) {
      report.output += "would restore " + one.database + " (" + std::to_string(one.bytes >> 10) + " KiB)" +
                       (job.restore->over ? " in the place of the one that is there, which is kept under another name\n"
                                          : " as a database beside the one that is there\n");
      continue;
    }
    BELAY_TRY(restore_database(server, job, scratch.path() + "/" + one.file, one, places.empty(), report));
  }
  watch.end();
  if (!job.restore->preview) {
    report.time_to_restore = host.clock.monotonic() - begun;
    report.restored_to = manifest.taken_at;
  }
  return {};
}

}  // namespace belay::agent::backups::dumps
