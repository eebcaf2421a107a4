#include <algorithm>

#include "agent/backup/pgbackrest.hpp"
#include "base/text.hpp"
#include "core/backup/continuity.hpp"

namespace belay::agent::backups {

void conclude(backup::JobReport& report, backup::Task task, const Status& status) {
  report.task = task;
  if (!status.ok()) {
    auto why = failed(task, status.error());
    report.outcome = backup::JobOutcome::failed;
    report.why = report.why.empty() ? std::move(why.why) : report.why + "; " + why.why;
    std::move(why.problems.begin(), why.problems.end(), std::back_inserter(report.problems));
    return;
  }
  if (report.outcome == backup::JobOutcome::unknown && report.why.empty()) report.outcome = backup::JobOutcome::ok;
}

namespace pgbackrest {
namespace {

using backup::ProofLevel;

constexpr std::size_t kConfigBytesMax = 256 << 10;

// Of a name that stands in a file's name, a section of a configuration and a command line without quotes.
bool is_plain(std::string_view text) {
  return !text.empty() && text.size() <= 100 && text.front() != '-' && text.front() != '.' &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
                  c == '.';
         });
}

std::string secret(const Secrets& secrets, const char* name) {
  const auto found = secrets.find(name);
  return found == secrets.end() ? std::string() : found->second;
}

const std::string& repository_node(const backup::Job& job) {
  return job.source_node_id.empty() ? job.node_id : job.source_node_id;
}

std::string file_name(const backup::Job& job) {
  auto name = "pgbackrest-" + job.plan_name;
  if (is_elsewhere(job)) name += "-from-" + repository_node(job);
  return name;
}

bool is_hex(std::string_view text) { return text.find_first_not_of("0123456789abcdef") == text.npos; }

// Owned by the server's user, with what leads to it.
Status make_directory(const BackupHost& host, const std::string& path, const SystemUser& owner) {
  if (const auto slash = path.rfind('/'); slash != 0 && slash != path.npos)
    BELAY_TRY(host.files.make_directories(path.substr(0, slash), 0755));
  BELAY_TRY(host.files.make_directories(path, 0750));
  return give_to(host, owner, path);
}

// archive_command runs as the server's user, whatever we may do here: each directory above the repository must let him
// through. The plan's own one is ours to open; those above are the operator's.
Status open_way(const BackupHost& host, const backup::Job& job, const std::string& directory, const std::string& user) {
  const auto above = directory.substr(0, directory.rfind('/'));
  Call open;
  open.argv = {"chmod", "o+x", "--", above};
  if (const auto done = must(host, job, std::move(open)); !done.ok()) return done.error();
  for (auto path = above; path.size() > 1; path = path.substr(0, path.rfind('/'))) {
    const auto info = host.files.info(path);
    if (info.ok() && info->kind == io::FileInfo::Kind::directory && !(info->mode & 0001))
      return Error(Code::permission_denied,
                   "the user " + user + ", who archives the WAL, cannot go through " + path + ": chmod o+x " + path,
                   "vault-refused");
  }
  return {};
}

Status write_node_config(const BackupHost& host, const std::string& path, const std::string& text,
                         const SystemUser& user) {
  const auto old = host.files.read(path, kConfigBytesMax);
  const auto info = host.files.info(path);
  if (old.ok() && *old == text && info.ok() && info->mode == 0640 && info->owner == 0) return {};
  BELAY_TRY(host.files.make_directories(path.substr(0, path.rfind('/')), 0755));
  BELAY_TRY(host.files.write_durable(path, text, 0640));
  return give_to(host, {.user_id = 0, .group_id = user.group_id, .home = {}}, path);
}

std::string s3_path(const backup::VaultSpec& vault, const backup::Job& job) {
  std::string path = "/";
  if (vault.s3) path += vault.s3->prefix;
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  if (path.size() > 1) path += '/';
  return path + backup::repository_name(job.plan_id, repository_node(job));
}

}  // namespace

bool is_elsewhere(const backup::Job& job) { return repository_node(job) != job.node_id; }

void remove_left_configs(const BackupHost& host, const PgBackRestPlaces& places) {
  constexpr std::string_view kFrom = "-from-mi-", kEnd = ".conf";
  constexpr std::size_t kDigits = 17;
  const auto names = host.files.list(places.configs);
  if (!names.ok()) return;
  for (const std::string_view name : *names) {
    const auto from = name.rfind(kFrom);
    if (!name.starts_with("pgbackrest-") || from == name.npos || !name.ends_with(kEnd)) continue;
    const auto digits = name.substr(from + kFrom.size(), name.size() - from - kFrom.size() - kEnd.size());
    if (digits.size() == kDigits && is_hex(digits))
      static_cast<void>(host.files.remove(places.configs + "/" + std::string(name)));
  }
}

std::string stanza_of(const backup::SourceSpec& source) { return source.stanza.empty() ? "main" : source.stanza; }
std::string user_of(const backup::SourceSpec& source) { return source.user.empty() ? "postgres" : source.user; }

std::string spool_directory(const PgBackRestPlaces& places, const backup::Job& job) {
  return places.spool + "/" + file_name(job);
}

Result<std::string> node_config_path(const PgBackRestPlaces& places, const backup::Job& job) {
  std::vector<std::string> names{job.plan_name, stanza_of(job.source)};
  if (is_elsewhere(job)) names.push_back(repository_node(job));
  for (const auto& name : names)
    if (!is_plain(name))
      return Error(Code::invalid_argument, "\"" + sanitize(name, 100) +
                                               "\" stands in the name of a file and on a command line: letters, "
                                               "digits, and - _ . within");
  return places.configs + "/" + file_name(job) + ".conf";
}

Result<Session> Session::open(const BackupHost& host, const PgBackRestPlaces& places, const backup::Job& job,
                              const Secrets& secrets, Wants wants) {
  Session session(host, job);
  BELAY_TRY_ASSIGN(const auto node_path, node_config_path(places, job));
  session.stanza_ = stanza_of(job.source);
  session.user_name_ = user_of(job.source);
  BELAY_TRY_ASSIGN(session.user_, system_user(host, session.user_name_));
  const bool is_copy = !wants.repository.empty();
  backup::VaultSpec vault = job.vault;
  if (is_copy) {
    vault = backup::VaultSpec{};  // a directory, wherever it came from
    session.directory_ = wants.repository;
  } else {
    BELAY_TRY_ASSIGN(auto access, VaultAccess::open(host, job, job.vault, secrets));
    session.directory_ = access.directory();
    session.access_.emplace(std::move(access));
    if (session.is_directory()) {
      BELAY_TRY(make_directory(host, session.directory_, session.user_));
      BELAY_TRY(open_way(host, job, session.directory_, session.user_name_));
    }
  }
  Config config;
  config.stanza = session.stanza_;
  config.data_directory = wants.data_directory.empty() ? "/nowhere" : wants.data_directory;
  config.socket_directory = job.source.socket;
  config.port = job.source.port;
  config.repository = session.is_directory() ? session.directory_ : s3_path(vault, job);
  config.vault = &vault;
  config.key = is_copy ? wants.key : secret(secrets, "repository.key");
  config.access_key = secret(secrets, "accessKey");
  config.secret_key = secret(secrets, "secretKey");
  config.processes = job.limits.processes;
  config.archive_get_bytes_max = wants.archive_get_bytes_max;
  const auto spool = wants.spool.empty() ? spool_directory(places, job) : wants.spool;
  config.lock_path = spool + "/lock";
  config.spool_path = spool + "/spool";
  BELAY_TRY(make_directory(host, spool, session.user_));
  if (vault.s3 && !vault.s3->ca_pem.empty()) {  // no secret, but it must lie as long as the configuration
    config.ca_file = node_path.substr(0, node_path.size() - 4) + "ca";
    BELAY_TRY(host.files.make_directories(places.configs, 0755));
    BELAY_TRY(host.files.write_durable(config.ca_file, vault.s3->ca_pem, 0644));
  }
  BELAY_TRY_ASSIGN(const auto text, config_text(config));
  BELAY_TRY_ASSIGN(auto file,
                   SecretFile::make(host, "pgbackrest.conf", text, session.user_.user_id, session.user_.group_id));
  session.config_path_ = file.path();
  session.config_file_.emplace(std::move(file));
  if (wants.whom == For::node) BELAY_TRY(session.settle(node_path, text));
  return session;
}

// The node's configuration serves the archiver: it is only replaced by one that opens the repository, or is the first
// of a new one.
Status Session::settle(const std::string& node_path, const std::string& text) {
  if (const auto seen = info(); !seen.ok() && seen.error().reason() != "no-repository") return seen.error();
  BELAY_TRY(write_node_config(*host_, node_path, text, user_));
  config_path_ = node_path;
  config_file_.reset();
  return {};
}

Result<Session> Session::on_node(const BackupHost& host, const PgBackRestPlaces& places, const backup::Job& job) {
  Session session(host, job);
  BELAY_TRY_ASSIGN(session.config_path_, node_config_path(places, job));
  if (const auto there = host.files.info(session.config_path_); !there.ok())
    return there.error().within("the plan has no pgBackRest configuration on this node yet: check the plan");
  session.stanza_ = stanza_of(job.source);
  session.user_name_ = user_of(job.source);
  BELAY_TRY_ASSIGN(session.user_, system_user(host, session.user_name_));
  return session;
}

Error error_of(const io::ProcessOutcome& outcome, std::string_view command) {
  const std::string what = "pgbackrest " + std::string(command) + ": ";
  if (outcome.end != io::ProcessOutcome::End::exited) {
    const bool late = outcome.end == io::ProcessOutcome::End::timed_out;
    return Error(late ? Code::timed_out : Code::cancelled, what + how_it_ended(outcome));
  }
  const auto meaning = exit_meaning(outcome.exit_status);
  auto said = complaints(outcome.standard_error);
  if (said.empty()) said = complaints(outcome.standard_output);
  // What a wrong key decrypts to is no text of its files.
  const bool garbled = outcome.exit_status == 29 && said.find("info file") != std::string::npos;
  return Error(garbled ? Code::unauthenticated : meaning.code,
               what + "exit status " + std::to_string(outcome.exit_status) + ", " + std::string(meaning.what) +
                   (said.empty() ? "" : " (" + said + ")"),
               garbled ? "wrong-key" : std::string(meaning.reason));
}

Result<io::ProcessOutcome> Session::try_run(std::vector<std::string> arguments, Duration timeout,
                                            io::OutputSink sink) const {
  Call what;
  what.argv = {"pgbackrest", "--config=" + config_path_, "--stanza=" + stanza_};
  what.argv.insert(what.argv.end(), arguments.begin(), arguments.end());
  what.user = user_name_;
  if (is_directory()) what.kept = {directory_};
  what.timeout = timeout;
  what.gently = true;
  what.sink = std::move(sink);
  return call(*host_, *job_, std::move(what));
}

Result<std::string> Session::run(std::vector<std::string> arguments, Duration timeout, io::OutputSink sink) const {
  const auto command = arguments.front();
  BELAY_TRY_ASSIGN(auto outcome, try_run(std::move(arguments), timeout, std::move(sink)));
  if (!outcome.success()) return error_of(outcome, command);
  return std::move(outcome.standard_output);
}

Result<Info> Session::info() const {
  BELAY_TRY_ASSIGN(const auto text, run({"info", "--output=json", "--log-level-console=off"}));
  BELAY_TRY_ASSIGN(auto info, parse_info(text, stanza_));
  BELAY_TRY(judge(info));
  return info;
}

Result<Listed> Session::list(const std::string& path, bool recurse) const {
  std::vector<std::string> arguments{"repo-ls", "--output=json", "--log-level-console=off", path};
  if (recurse) arguments.emplace_back("--recurse");
  BELAY_TRY_ASSIGN(const auto outcome, try_run(std::move(arguments), Duration(600'000)));
  if (!outcome.success()) return error_of(outcome, "repo-ls");
  if (outcome.output_bytes_dropped > 0)
    return Error(Code::resource_exhausted, path + " of the repository lists more names than can be kept");
  return parse_repo_ls(outcome.standard_output);
}

io::OutputSink progress_sink(const BackupHost& host, std::string phase, std::uint64_t bytes_total) {
  if (!host.progress) return {};
  return [&host, phase = std::move(phase), bytes_total](int, std::string_view text) {
    const auto end = text.rfind("%)");
    if (end == text.npos) return;
    const auto begin = text.rfind(' ', end);
    if (begin == text.npos || end - begin > 8) return;
    std::uint64_t percent = 0;
    for (const char c : text.substr(begin + 1, end - begin - 1)) {
      if (c < '0' || c > '9') break;
      percent = percent * 10 + static_cast<std::uint64_t>(c - '0');
    }
    host.progress({.phase = phase,
                   .bytes_done = bytes_total / 100 * std::min<std::uint64_t>(percent, 100),
                   .bytes_total = bytes_total,
                   .left = {}});
  };
}

namespace {

// All segments in sequence, the first and the last one there.
void check_wal(backup::JobReport& report, Chain& chain, const Made& made, const std::string& last,
               const std::vector<std::string>& files, std::uint64_t segment_bytes, bool to_the_end) {
  const auto has = [&](const std::vector<std::string>& names, std::string_view name) {
    return std::any_of(names.begin(), names.end(), [&](const auto& one) { return one.substr(8) == name.substr(8); });
  };
  auto needed = wal_between(files, made.wal_start, last);
  const auto gaps = backup::wal_gaps(needed, segment_bytes);
  std::string wrong;
  if (!has(needed, made.wal_start)) wrong = "its first segment " + made.wal_start + " is not in the archive";
  else if (!has(needed, last)) wrong = "the segment " + last + " of its restore point is not in the archive";
  else if (!gaps.empty())
    wrong = std::to_string(gaps.front().missing) + " segments are missing between " + gaps.front().after + " and " +
            gaps.front().before;
  if (!wrong.empty()) fail(report, ProofLevel::P1, "WAL", wrong);
  else
    pass(report, ProofLevel::P1, "WAL",
         std::to_string(needed.size()) + " segments in sequence from " + made.wal_start + " to " + last);
  if (to_the_end) {
    needed = wal_between(files, made.wal_start, "");
    for (const auto& gap : backup::wal_gaps(needed, segment_bytes))
      chain.remarks.push_back("the archive lacks " + std::to_string(gap.missing) + " segments between " + gap.after +
                              " and " + gap.before + ": no point in time behind can be reached from this backup");
  }
  chain.wal = std::move(needed);
}

}  // namespace

Chain check_chain(backup::JobReport& report, const Session& session, const Info& info, const Made& made,
                  const std::optional<Position>& position, std::uint64_t segment_bytes, bool to_the_end) {
  Chain chain;
  if (made.page_errors)
    fail(report, ProofLevel::P0, made.label, "pages with a wrong checksum were copied from the server");
  else pass(report, ProofLevel::P0, made.label, "listed by pgbackrest info, without page errors");
  chain.labels = made.references;
  chain.labels.push_back(made.label);
  std::string missing;
  for (const auto& label : chain.labels) {
    // What it lists is its own note; the directory may be gone all the same, and `verify` passes over that.
    const auto listed = session.list("backup/" + session.stanza() + "/" + label, false);
    if (!listed.ok() && blames_nobody(listed.error())) {
      fail(report, ProofLevel::P1, "chain", listed.error());
      return chain;
    }
    const bool there = listed.ok() && std::any_of(listed->files.begin(), listed->files.end(),
                                                  [](const auto& name) { return name == "backup.manifest"; });
    if (!info.find(label) || !there) missing += (missing.empty() ? "" : ", ") + label;
  }
  if (missing.empty()) pass(report, ProofLevel::P1, "chain", join(chain.labels, " < "));
  else
    fail(report, ProofLevel::P1, "chain",
         "missing: " + missing + "; this point cannot be restored, make a full backup");
  const auto archive = session.list("archive/" + session.stanza() + "/" + made.archive_id, true);
  if (!archive.ok()) {
    fail(report, ProofLevel::P1, "WAL", archive.error());
    return chain;
  }
  chain.wal_bytes = archive->bytes;
  const auto last = position ? wal_name(1, position->lsn, segment_bytes) : made.wal_stop;
  check_wal(report, chain, made, last, archive->files, segment_bytes, to_the_end);
  return chain;
}

std::string annotation(const Made& made, const char* name) {
  const auto found = made.annotations.find(name);
  return found == made.annotations.end() ? std::string() : found->second;
}

std::uint64_t segment_bytes_of(const Made& made) {
  std::uint64_t bytes = 0;
  for (const char c : annotation(made, "belay-segment"))
    if (c >= '0' && c <= '9' && bytes < (1u << 30)) bytes = bytes * 10 + static_cast<std::uint64_t>(c - '0');
  return bytes == 0 ? 16u << 20 : bytes;
}

std::string label_of(std::string_view reference) {
  return std::string(reference.substr(reference.find(':') == reference.npos ? 0 : reference.find(':') + 1));
}

std::optional<std::string> copied_snapshot(std::string_view reference) {
  const auto colon = reference.find(':');
  if (colon == reference.npos) return std::nullopt;
  return std::string(reference.substr(0, colon));
}

backup::MadePoint point_of(const Info& info, const Made& made) {
  backup::MadePoint point;
  point.reference = made.label;
  point.type = type_of(made.label).value_or(backup::BackupType::full);
  point.needs = made.references;
  point.begun_at = made.began_at;
  point.taken_at = made.ended_at;
  point.bytes_source = made.bytes;
  point.bytes_added = made.bytes_repository_added;
  point.engine_version = made.version;
  point.position = annotation(made, "belay-point");
  point.server_version = annotation(made, "belay-server");
  if (made.page_errors) point.remarks.emplace_back("pages with a wrong checksum were copied from the server");
  for (const auto& needed : made.references)
    if (!info.find(needed)) point.remarks.push_back("needs " + needed + ", which is not there");
  return point;
}

}  // namespace pgbackrest
}  // namespace belay::agent::backups
