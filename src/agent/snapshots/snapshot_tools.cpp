#include "agent/snapshots/snapshot_tools.hpp"

#include <unistd.h>

#include <algorithm>
#include <atomic>

#include "base/log.hpp"
#include "base/text.hpp"

namespace belay::agent::snapshots {
namespace {

constexpr std::size_t kMountinfoBytesMax = 4u << 20;
constexpr std::size_t kSaidBytesMax = 500;
constexpr std::size_t kTagCharactersMax = 100;
constexpr Duration kMountTimeout{60'000}, kCopyTimeout{1'800'000};
constexpr std::string_view kPassingPrefix = "mount-";

// "/run/belay-agent/mount-1234-0" of a process 1234 that is no more.
bool is_forsaken(const SnapshotHost& host, std::string_view point) {
  const auto prefix = host.run_directory + "/" + std::string(kPassingPrefix);
  if (!point.starts_with(prefix)) return false;
  const auto process = split(point.substr(prefix.size()), '-').front();
  return !host.files.info("/proc/" + std::string(process)).ok();
}

std::string below(const MountRow& mount, const std::string& path) {
  return mount.point == "/" ? path : path.substr(mount.point.size());
}

}  // namespace

Result<std::vector<MountRow>> read_mounts(const SnapshotHost& host) {
  BELAY_TRY_ASSIGN(const auto text,
                   host.files.read(host.mountinfo, kMountinfoBytesMax).within("the mounts are not known"));
  return parse_mountinfo(text);
}

Result<io::ProcessOutcome> run_program(const SnapshotHost& host, std::vector<std::string> argv, Duration timeout) {
  io::ProcessSpec spec;
  spec.argv = std::move(argv);
  spec.environment = io::plain_environment();
  spec.timeout = timeout;
  spec.output_bytes_max = kToolOutputBytesMax;
  return host.processes.run(spec);
}

Error tool_failed(const std::vector<std::string>& argv, const io::ProcessOutcome& outcome) {
  const auto what =
      join(std::vector<std::string>(argv.begin(), argv.begin() + std::min<std::ptrdiff_t>(3, std::ssize(argv))), " ");
  if (outcome.end == io::ProcessOutcome::End::timed_out)
    return Error(Code::timed_out, what + " did not end within " + humanize(outcome.duration));
  if (outcome.end != io::ProcessOutcome::End::exited)
    return Error(Code::internal, what + " was ended by signal " + std::to_string(outcome.signal));
  const auto said = trim(outcome.standard_error.empty() ? outcome.standard_output : outcome.standard_error);
  return Error(Code::internal, what + " failed with status " + std::to_string(outcome.exit_status) + ": " +
                                   sanitize(said, kSaidBytesMax));
}

Result<std::string> run_tool(const SnapshotHost& host, std::vector<std::string> argv, Duration timeout) {
  BELAY_TRY_ASSIGN(auto outcome, run_program(host, argv, timeout));
  if (!outcome.success()) return tool_failed(argv, outcome);
  if (outcome.output_bytes_dropped > 0)
    return Error(Code::resource_exhausted,
                 argv.front() + " says more than " + std::to_string(kToolOutputBytesMax) + " bytes");
  return std::move(outcome.standard_output);
}

bool is_plain(std::string_view text, std::size_t bytes_max) {
  return sanitize(text, bytes_max) == text && text.find_first_of("\n\t") == std::string_view::npos;
}

Status check_tag(std::string_view tag) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.';
  };
  if (!tag.empty() && tag.size() <= kTagCharactersMax && tag[0] != '.' && tag[0] != '-' &&
      std::ranges::all_of(tag, allowed))
    return {};
  return Error(Code::invalid_argument, "a snapshot's tag is up to 100 letters, digits and . _ -, not '" +
                                           sanitize(tag, kTagCharactersMax) + "'");
}

bool has_all(const SnapshotHost& host, const Snapshot& snapshot, const std::vector<std::string>& mounts) {
  const auto table = read_mounts(host);
  return table.ok() && std::ranges::all_of(mounts, [&](const auto& path) {
           const auto* row = holding(*table, path);
           return row && std::ranges::find(snapshot.mounts, row->point) != snapshot.mounts.end();
         });
}

void refuse(Coverage& coverage, const std::string& mount, const std::string& why) {
  coverage.not_covered.push_back(mount);
  coverage.why += (coverage.why.empty() ? "" : "; ") + sanitize(mount, kSaidBytesMax) + " " + why;
}

Error not_covered(const Coverage& coverage) {
  return Error(Code::unsupported, "no snapshot: " + coverage.why, "not-covered");
}

void limit_free(Coverage& coverage, std::uint64_t bytes) {
  coverage.bytes_free = std::min(coverage.bytes_free.value_or(bytes), bytes);
}

Result<PassingMount> PassingMount::make(const SnapshotHost& host, std::vector<std::string> mount_arguments) {
  BELAY_TRY_ASSIGN(const auto mounts, read_mounts(host));
  for (const auto& row : mounts)
    if (is_forsaken(host, row.point)) static_cast<void>(run_program(host, {"umount", row.point}, kMountTimeout));
  static std::atomic<unsigned> count{0};
  auto path = host.run_directory + "/" + std::string(kPassingPrefix) + std::to_string(::getpid()) + "-" +
              std::to_string(count.fetch_add(1));
  BELAY_TRY(host.files.make_directories(path, 0700));
  std::vector<std::string> argv{"mount"};
  argv.insert(argv.end(), mount_arguments.begin(), mount_arguments.end());
  argv.push_back(path);
  const auto mounted = run_tool(host, argv, kMountTimeout);
  if (mounted.ok()) return PassingMount(host, std::move(path));
  static_cast<void>(host.files.remove_tree(path));
  return mounted.error();
}

PassingMount::~PassingMount() {
  if (path_.empty()) return;
  const auto gone = run_tool(*host_, {"umount", path_}, kMountTimeout);
  if (gone.ok()) static_cast<void>(host_->files.remove_tree(path_));  // refuses where something is mounted after all
  else log::warning("snapshot_mount_left", {{"path", path_}, {"why", gone.error()}});
}

std::vector<std::string> carried(const SnapshotHost& host, const std::vector<MountRow>& mounts, const MountRow& mount) {
  std::vector<std::string> found;
  for (const auto& path : host.carry_over)
    if (const auto* row = holding(mounts, path); row && row->point == mount.point && host.files.info(path).ok())
      found.push_back(path);
  return found;
}

Status carry_over(const SnapshotHost& host, const std::vector<std::string>& paths, const MountRow& mount,
                  const std::string& tree) {
  for (const auto& path : paths) {
    const auto target = tree + below(mount, path);
    BELAY_TRY(host.files.remove_tree(target));
    BELAY_TRY(host.files.make_directories(target.substr(0, target.rfind('/')), 0755));
    BELAY_TRY(copy_tree(host, path, target).within(path + " cannot be taken over into what is restored"));
  }
  return {};
}

Status copy_tree(const SnapshotHost& host, const std::string& from, const std::string& to) {
  const auto copied =
      run_tool(host, {"cp", "--archive", "--one-file-system", "--reflink=auto", "--", from, to}, kCopyTimeout);
  return copied.ok() ? Status() : Status(copied.error());
}

}  // namespace belay::agent::snapshots
