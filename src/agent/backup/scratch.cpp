#include <unistd.h>

#include <algorithm>
#include <atomic>

#include "agent/backup/call_spec.hpp"
#include "base/log.hpp"
#include "base/text.hpp"

namespace belay::agent::backups {
namespace {

constexpr std::string_view kPrefix = "belay-scratch-";
constexpr std::size_t kMountinfoBytesMax = 4u << 20;
constexpr std::uint64_t kInodesMin = 1'000;

bool is_number(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

bool is_in(std::string_view path, std::string_view directory) {
  return path == directory ||
         (path.size() > directory.size() && path.starts_with(directory) && path[directory.size()] == '/');
}

void run_tool(const BackupHost& host, std::vector<std::string> argv) {
  io::ProcessSpec spec;
  spec.argv = std::move(argv);
  spec.environment = io::plain_environment();
  static_cast<void>(host.processes.run(spec));
}

// Those that have it as their working directory or root: a daemon that left its starter.
void end_processes_in(const BackupHost& host, const std::string& path) {
  const auto names = host.files.list("/proc");
  if (!names.ok()) return;
  for (const auto& name : *names) {
    if (!is_number(name) || name == std::to_string(::getpid())) continue;
    for (const char* link : {"/cwd", "/root"}) {
      const auto target = host.files.read_link("/proc/" + name + link);
      if (!target.ok() || !is_in(*target, path)) continue;
      run_tool(host, {"kill", "-KILL", name});
      break;
    }
  }
}

void unmount_in(const BackupHost& host, const std::string& path) {
  const auto text = host.files.read("/proc/self/mountinfo", kMountinfoBytesMax);
  if (!text.ok()) return;
  std::vector<std::string> points;
  for (const auto line : split(*text, '\n')) {
    const auto fields = split(line, ' ');
    if (fields.size() > 4 && is_in(fields[4], path)) points.emplace_back(fields[4]);
  }
  std::ranges::reverse(points);  // the last one mounted first
  for (auto& point : points) run_tool(host, {"umount", std::move(point)});
}

void clear(const BackupHost& host, const std::string& path) { static_cast<void>(clear_directory(host, path)); }

// "belay-scratch-<process>-<n>" of a process that is no more.
void clear_forsaken(const BackupHost& host, const std::string& base) {
  const auto names = host.files.list(base);
  if (!names.ok()) return;
  for (const auto& name : *names) {
    if (!name.starts_with(kPrefix)) continue;
    const auto process = split(std::string_view(name).substr(kPrefix.size()), '-').front();
    if (is_number(process) && !host.files.info("/proc/" + std::string(process)).ok()) clear(host, base + "/" + name);
  }
}

std::string mebibytes(std::uint64_t bytes) { return std::to_string(bytes >> 20) + " MiB"; }

}  // namespace

Status clear_directory(const BackupHost& host, const std::string& path) {
  end_processes_in(host, path);
  unmount_in(host, path);
  auto gone = host.files.remove_tree(path);
  if (!gone.ok()) log::warning("backup_directory_left", {{"path", path}, {"why", gone.error()}});
  return gone;
}

std::string scratch_base(const BackupHost& host, const backup::Job& job) {
  return job.scratch.empty() ? host.state_directory + "/scratch" : job.scratch;
}

Result<Scratch> Scratch::make(const BackupHost& host, const backup::Job& job, std::uint64_t bytes_needed,
                              std::string_view user) {
  const auto base = scratch_base(host, job);
  BELAY_TRY(host.files.make_directories(base, 0711).within("there is no scratch directory for a restore"));
  clear_forsaken(host, base);
  BELAY_TRY_ASSIGN(const auto space, host.files.space(base).within("the room for a restore is not known"));
  if (space.bytes_free < bytes_needed || space.inodes_free < kInodesMin)
    return Error(Code::resource_exhausted,
                 base + " has " + mebibytes(space.bytes_free) + " free, and the restore needs " +
                     mebibytes(bytes_needed) + "; make room there, or name another directory as the plan's scratch",
                 "no-room");
  static std::atomic<unsigned> count{0};
  Scratch scratch(
      host, base + "/" + std::string(kPrefix) + std::to_string(::getpid()) + "-" + std::to_string(count.fetch_add(1)));
  clear(host, scratch.path_);
  BELAY_TRY(host.files.make_directories(scratch.path_, 0700));
  if (!user.empty() && user != "root") {
    BELAY_TRY_ASSIGN(const auto owner, system_user(host, user));
    BELAY_TRY(give_to(host, owner, scratch.path_));
  }
  return scratch;
}

Scratch::Scratch(Scratch&& other) noexcept : host_(other.host_), path_(std::exchange(other.path_, std::string())) {}

Scratch::~Scratch() {
  if (!path_.empty()) clear(*host_, path_);
}

}  // namespace belay::agent::backups
