#include <algorithm>
#include <atomic>
#include <charconv>

#include "agent/backup/call_spec.hpp"
#include "agent/backup/vault_parts.hpp"
#include "base/text.hpp"

namespace belay::agent::backups {
namespace {

constexpr std::size_t kSaidBytesMax = 1'500;
constexpr std::size_t kPasswdBytesMax = 4u << 20;
constexpr std::uint32_t kOthersMayEnter = 0001;

// Which Debian package a program comes from, where its name does not say it.
constexpr std::pair<std::string_view, std::string_view> kPackages[] = {
    {"borg", "borgbackup"},
    {"psql", "postgresql-client"},
    {"pg_dump", "postgresql-client"},
    {"pg_dumpall", "postgresql-client"},
    {"pg_restore", "postgresql-client"},
    {"postgres", "postgresql"},
    {"pg_amcheck", "postgresql"},
    {"pg_controldata", "postgresql"},
    {"mariadb", "mariadb-client"},
    {"mariadb-dump", "mariadb-client"},
    {"mariadb-binlog", "mariadb-client"},
    {"mariadb-check", "mariadb-client"},
    {"mariadb-admin", "mariadb-client"},
    {"mariadbd", "mariadb-server"},
    {"innochecksum", "mariadb-server"},
    {"mysqldump", "mariadb-client"},
    {"ssh", "openssh-client"},
};

Error not_installed(const std::string& program) {
  const auto name = program.substr(program.rfind('/') + 1);
  const auto* const row = std::ranges::find(kPackages, name, &std::pair<std::string_view, std::string_view>::first);
  const std::string package = row == std::end(kPackages) ? name : std::string(row->second);
  return Error(Code::not_found,
               "the program " + program + " is not installed; install the package " + package + " (Debian's name)",
               "program-missing");
}

std::string parent_of(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos || slash == 0 ? "" : path.substr(0, slash);
}

// The outermost directory above this one that others may not go into; "" where they reach it.
std::string shut_above(const BackupHost& host, const std::string& path) {
  std::string shut;
  for (auto above = parent_of(path); !above.empty(); above = parent_of(above)) {
    const auto info = host.files.info(above);
    if (info.ok() && info->kind == io::FileInfo::Kind::directory && !(info->mode & kOthersMayEnter)) shut = above;
  }
  return shut;
}

bool may_hide(const std::string& path) {
  return path.starts_with('/') && path.find('/', 1) != std::string::npos && !path.starts_with("/usr/") &&
         !path.starts_with("/etc/");
}

// What leads to production.
std::vector<std::string> ways_out(const backup::Job& job) {
  std::vector<std::string> hidden{"/run", "/tmp", "/var/tmp", "/dev/shm"};
  const auto& source = job.source;
  // Where a plan need not name them, on Debian and on RHEL: there the socket lies in it, too.
  for (const char* path : {"/var/lib/mysql", "/var/lib/postgresql", "/var/lib/pgsql"}) hidden.emplace_back(path);
  if (may_hide(source.data_directory)) hidden.push_back(source.data_directory);
  // A directory (PostgreSQL) or a file in one (MariaDB).
  if (may_hide(source.socket)) hidden.push_back(source.socket);
  if (const auto above = parent_of(source.socket); may_hide(above)) hidden.push_back(above);
  return hidden;
}

// Nothing where neither walls are wanted nor a way has to be opened.
std::optional<io::Isolation> walls_of(const BackupHost& host, const backup::Job& job, const Call& what) {
  io::Isolation walls;
  walls.kept = what.kept;
  walls.shown = what.shown;
  for (const auto& path : {host.work_directory, scratch_base(host, job)})
    if (host.files.info(path).ok()) walls.kept.push_back(path);
  if (what.isolated) {
    walls.network = walls.processes = walls.read_only = true;
    for (auto& path : ways_out(job)) {
      const auto info = host.files.info(path);
      if (info.ok() && info->kind == io::FileInfo::Kind::directory) walls.hidden.push_back(std::move(path));
    }
  }
  if (what.isolated || !what.user.empty())
    for (const auto* paths : {&walls.kept, &walls.shown})
      for (const auto& path : *paths)
        if (const auto shut = shut_above(host, path); !shut.empty()) walls.hidden.push_back(shut);
  if (walls.hidden.empty() && !what.isolated) return std::nullopt;
  std::ranges::sort(walls.hidden);
  walls.hidden.erase(std::unique(walls.hidden.begin(), walls.hidden.end()), walls.hidden.end());
  return walls;
}

std::string text_after(std::string_view& line) {
  const auto end = std::min(line.find(':'), line.size());
  std::string field(line.substr(0, end));
  line.remove_prefix(std::min(end + 1, line.size()));
  return field;
}

bool read_number(const std::string& text, std::uint32_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

}  // namespace

Result<io::ProcessSpec> spec_of(const BackupHost& host, const backup::Job& job, Call what) {
  BELAY_ASSERT(!what.argv.empty());
  io::ProcessSpec spec;
  spec.environment = io::plain_environment();
  spec.isolation = walls_of(host, job, what);
  if (!what.user.empty() && what.user != "root") {
    BELAY_TRY_ASSIGN(const auto user, system_user(host, what.user));
    spec.user_id = user.user_id;
    spec.group_id = user.group_id;
    spec.reads_all = what.reads_all;
    spec.environment["HOME"] = user.home;
  }
  for (auto& [name, value] : what.environment) spec.environment[name] = std::move(value);
  spec.argv = std::move(what.argv);
  spec.working_directory = what.directory.empty() ? host.work_directory : what.directory;
  spec.standard_input = std::move(what.standard_input);
  spec.input_file = std::move(what.input_file);
  spec.output_file = std::move(what.output_file);
  spec.timeout = what.timeout;
  spec.output_bytes_max = kToolOutputBytesMax;
  spec.cancel = host.cancel;
  spec.gently = what.gently && job.limits.idle_io;
  spec.dies_with_caller = true;
  return spec;
}

Result<SecretFile> SecretFile::make(const BackupHost& host, std::string_view name, std::string_view content,
                                    std::uint32_t user_id, std::uint32_t group_id) {
  static std::atomic<unsigned> count{0};
  SecretFile file(host.files, host.work_directory + "/" + std::string(name) + "-" + std::to_string(count.fetch_add(1)));
  BELAY_TRY(host.files.write_durable(file.path_, content, 0600).within("a secret cannot be handed to a program"));
  if (user_id != 0 || group_id != 0)
    BELAY_TRY(give_to(host, {.user_id = user_id, .group_id = group_id, .home = {}}, file.path_));
  return file;
}

SecretFile::SecretFile(SecretFile&& other) noexcept
    : files_(other.files_), path_(std::exchange(other.path_, std::string())) {}

SecretFile::~SecretFile() {
  if (!path_.empty()) static_cast<void>(files_->remove(path_));
}

Result<io::ProcessOutcome> call(const BackupHost& host, const backup::Job& job, Call what) {
  const auto program = what.argv.front();
  const auto sink = what.sink;
  BELAY_TRY_ASSIGN(const auto spec, spec_of(host, job, std::move(what)));
  auto outcome = host.processes.run(spec, sink);
  if (!outcome.ok() && outcome.error().code() == Code::not_found && !host.files.info(program).ok())
    return not_installed(program);
  return outcome;
}

Result<std::string> must(const BackupHost& host, const backup::Job& job, Call what) {
  auto shown = what.argv;
  shown.resize(std::min<std::size_t>(shown.size(), 3));
  BELAY_TRY_ASSIGN(auto outcome, call(host, job, std::move(what)));
  if (outcome.success() && outcome.output_bytes_dropped == 0) return std::move(outcome.standard_output);
  if (outcome.success())
    return Error(Code::resource_exhausted, join(shown, " ") + " says more than can be kept", "output-too-long");
  return error_of(outcome, join(shown, " ") + ": ");
}

Error error_of(const io::ProcessOutcome& outcome, const std::string& what) {
  const bool late = outcome.end == io::ProcessOutcome::End::timed_out;
  const bool cancelled = outcome.end == io::ProcessOutcome::End::cancelled;
  return Error(late ? Code::timed_out : cancelled ? Code::cancelled : Code::internal, what + how_it_ended(outcome));
}

Status move_to(const BackupHost& host, const backup::Job& job, const std::string& from, const std::string& to) {
  auto moved = host.files.rename_durable(from, to);
  if (moved.ok() || moved.error().reason() != "cross-device") return moved;
  if (host.files.info(to).ok()) return Error(Code::already_exists, to + " is there already");
  Call what;
  what.argv = {"mv", "-T", "--", from, to};
  what.timeout = job.limits.timeout;
  const auto done = must(host, job, std::move(what));
  return done.ok() ? Status() : Status(done.error().within(from + " cannot be moved to " + to));
}

std::string how_it_ended(const io::ProcessOutcome& outcome) {
  using End = io::ProcessOutcome::End;
  std::string text;
  switch (outcome.end) {
    case End::exited: text = "exit status " + std::to_string(outcome.exit_status); break;
    case End::signalled: text = "killed by signal " + std::to_string(outcome.signal); break;
    case End::timed_out: text = "timed out after " + humanize(outcome.duration); break;
    case End::cancelled: text = "stopped, as somebody asked for"; break;
  }
  std::string_view said = trim(outcome.standard_error);
  if (said.empty()) said = trim(outcome.standard_output);
  if (said.empty()) return text;
  if (said.size() > kSaidBytesMax) said.remove_prefix(said.size() - kSaidBytesMax);  // the last lines say it
  return text + ": " + sanitize(said, kSaidBytesMax);
}

std::string percent_encode(std::string_view text) {
  constexpr std::string_view kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~";
  std::string encoded;
  for (const char c : text) {
    if (kPlain.find(c) != std::string_view::npos) {
      encoded += c;
    } else {
      constexpr const char* kDigits = "0123456789ABCDEF";
      const auto byte = static_cast<unsigned char>(c);
      encoded += {'%', kDigits[byte >> 4], kDigits[byte & 15]};
    }
  }
  return encoded;
}

namespace {

void cross_out(std::string& text, std::string_view secret) {
  constexpr std::size_t kShortest = 4;  // "a" would cross out everything
  constexpr std::string_view kInstead = "[secret]";
  if (secret.size() < kShortest) return;
  for (auto at = text.find(secret); at != std::string::npos; at = text.find(secret, at + kInstead.size()))
    text.replace(at, secret.size(), kInstead);
}

}  // namespace

std::string without_secrets(std::string text, const Secrets& secrets, std::size_t bytes_max) {
  for (const auto& [name, value] : secrets) {
    if (name == "user" || name == "copy.user")
      continue;  // a name is no secret, and what it is part of would be unreadable
    cross_out(text, value);
    cross_out(text, percent_encode(value));
    // A key has lines, and a program may show one of them.
    for (const auto line : split(value, '\n'))
      if (line.size() >= 16 && line.find("-----") == std::string_view::npos) cross_out(text, line);
  }
  if (text.size() <= bytes_max) return text;
  const auto half = bytes_max / 2;
  return text.substr(0, half) + "\n[… " + std::to_string(text.size() - 2 * half) + " bytes cut here …]\n" +
         text.substr(text.size() - half);
}

Result<SystemUser> system_user(const BackupHost& host, std::string_view name) {
  BELAY_TRY_ASSIGN(const auto text, host.files.read("/etc/passwd", kPasswdBytesMax).within("users are not known"));
  for (auto line : split(text, '\n')) {
    const auto known = text_after(line);
    static_cast<void>(text_after(line));
    const auto number = text_after(line);
    SystemUser user;
    if ((known != name && number != name) || !read_number(number, user.user_id) ||
        !read_number(text_after(line), user.group_id))
      continue;
    static_cast<void>(text_after(line));
    user.home = text_after(line);
    return user;
  }
  return Error(Code::not_found,
               "there is no user " + sanitize(name, 100) +
                   " on this machine (/etc/passwd); the program it belongs to is "
                   "not installed, or the plan names another one",
               "no-user");
}

Status give_to(const BackupHost& host, const SystemUser& user, const std::string& path, bool with_all_below) {
  io::ProcessSpec spec;
  spec.argv = {"chown", "--no-dereference"};
  if (with_all_below) spec.argv.emplace_back("--recursive");
  spec.argv.insert(spec.argv.end(), {std::to_string(user.user_id) + ":" + std::to_string(user.group_id), "--", path});
  spec.environment = io::plain_environment();
  spec.timeout = Duration(600'000);
  BELAY_TRY_ASSIGN(const auto outcome, host.processes.run(spec));
  if (outcome.success()) return {};
  return Error(Code::internal, path + " cannot be handed to its user: " + how_it_ended(outcome));
}

}  // namespace belay::agent::backups
