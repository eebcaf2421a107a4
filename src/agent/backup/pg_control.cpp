#include "agent/backup/pg_control.hpp"

#include <charconv>

#include "agent/backup/pg_text.hpp"
#include "base/text.hpp"

namespace belay::agent::backups {
namespace {
constexpr std::size_t kSmallFileBytesMax = 64 << 10;
constexpr Duration kStop{900'000}, kStart{900'000};
}  // namespace

std::string unit_in(std::string_view cgroup, std::string_view own) {
  for (const auto line : split(cgroup, '\n')) {
    const auto path = trim(line.substr(line.rfind(':') == line.npos ? 0 : line.rfind(':') + 1));
    const auto unit = path.substr(path.rfind('/') == path.npos ? 0 : path.rfind('/') + 1);
    if (unit.ends_with(".service") && own.find(unit) == own.npos) return std::string(unit);
  }
  return {};
}

int postmaster_of(const BackupHost& host, const std::string& data_directory) {
  const auto text = host.files.read(data_directory + "/postmaster.pid", kSmallFileBytesMax);
  if (!text.ok()) return 0;
  const auto line = trim(std::string_view(*text).substr(0, text->find('\n')));
  int process = 0;
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), process);
  if (error != std::errc() || end != line.data() + line.size() || process <= 1) return 0;
  // After a crash the number may be another program's.
  const auto name = host.files.read("/proc/" + std::to_string(process) + "/comm", 100);
  return name.ok() && trim(*name).starts_with("postgres") ? process : 0;
}

Result<PgControl> PgControl::of(const BackupHost& host, const backup::Job& job, std::string user, std::string programs,
                                std::string data_directory, std::string unit_hint) {
  PgControl control(host, job);
  control.user_ = std::move(user);
  control.programs_ = std::move(programs);
  control.data_ = std::move(data_directory);
  control.unit_ = std::move(unit_hint);
  if (const int process = postmaster_of(host, control.data_); process != 0) {
    const auto cgroup = host.files.read("/proc/" + std::to_string(process) + "/cgroup", kSmallFileBytesMax);
    const auto own = host.files.read("/proc/self/cgroup", kSmallFileBytesMax);
    if (cgroup.ok()) control.unit_ = unit_in(*cgroup, own.ok() ? *own : std::string());
  }
  if (!control.unit_.empty()) return control;
  const auto options = host.files.read(control.data_ + "/postmaster.opts", kSmallFileBytesMax);
  if (options.ok()) control.options_ = parse_server_options(*options);
  if (control.options_.size() < 2)
    return Error(Code::unsupported,
                 "nothing tells how the server on " + control.data_ +
                     " is started: it runs under no unit and has no postmaster.opts. Restore beside it, and put the "
                     "directory in its place by hand",
                 "no-way-to-start");
  return control;
}

std::string PgControl::told() const { return unit_.empty() ? "pg_ctl on " + data_ : "systemctl on " + unit_; }

bool PgControl::is_running() const { return postmaster_of(*host_, data_) != 0; }

Status PgControl::stop() const {
  Call what;
  what.timeout = kStop;
  if (!unit_.empty()) {
    what.argv = {"systemctl", "stop", unit_};
  } else {
    if (!is_running()) return {};
    what.argv = {programs_ + "/pg_ctl", "stop", "-D", data_, "-m", "fast", "-w", "-t", "600"};
    what.user = user_;
  }
  if (const auto done = must(*host_, *job_, std::move(what)); !done.ok()) return done.error();
  if (is_running())
    return Error(Code::conflict, "the server on " + data_ + " still runs after it was stopped", "server-runs");
  return {};
}

Status PgControl::start() const {
  Call what;
  if (!unit_.empty()) {
    what.argv = {"systemctl", "start", unit_};
    what.timeout = kStart;
  } else {
    std::string options;
    for (std::size_t i = 1; i < options_.size(); ++i) {
      if (options_[i] == "-D") {
        ++i;
        continue;
      }
      options += (options.empty() ? "" : " ") + pg_setting(options_[i]);
    }
    what.argv = {programs_ + "/pg_ctl",  "start", "-D",   data_, "-w", "-t", "86400", "-s", "-l",
                 data_ + "/startup.log", "-o",    options};
    what.user = user_;
    what.timeout = job_->limits.timeout;
  }
  const auto done = must(*host_, *job_, std::move(what));
  return done.ok() ? Status() : Status(done.error());
}

}  // namespace belay::agent::backups
