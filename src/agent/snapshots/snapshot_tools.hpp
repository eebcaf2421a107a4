#pragma once
// What the providers share: the mounts, calling a program, a place to mount something for the time of a call, and what
// must outlive a restore.
#include <string>
#include <vector>

#include "agent/snapshots/mount_table.hpp"
#include "agent/snapshots/providers.hpp"
#include "agent/snapshots/snapshot_provider.hpp"
#include "io/files.hpp"
#include "io/process.hpp"

namespace belay::agent::snapshots {

inline constexpr std::size_t kToolOutputBytesMax = 8u << 20;
inline constexpr std::size_t kSnapshotsMax = 1'000;

// What Belay's snapshots are told by in the stores that keep them.
inline constexpr std::string_view kMark = "belay";

Result<std::vector<MountRow>> read_mounts(const SnapshotHost& host);

// Runs a tool to its end; its standard output, or an error with what it said. not_found where it is not installed,
// unsupported in the words of one who wanted to know whether it is.
Result<std::string> run_tool(const SnapshotHost& host, std::vector<std::string> argv,
                             Duration timeout = Duration(300'000));
// The same of a program's end as it is, for who reads its exit status.
Result<io::ProcessOutcome> run_program(const SnapshotHost& host, std::vector<std::string> argv, Duration timeout);
Error tool_failed(const std::vector<std::string>& argv, const io::ProcessOutcome& outcome);

// UTF-8 of at most so many bytes, without any control character.
bool is_plain(std::string_view text, std::size_t bytes_max);
// A tag becomes a name in stores that allow little: letters, digits and . _ - of at most 100.
Status check_tag(std::string_view tag);

// Whether a snapshot that is there covers what is asked for.
bool has_all(const SnapshotHost& host, const Snapshot& snapshot, const std::vector<std::string>& mounts);

// Adds a mount that is not covered and why.
void refuse(Coverage& coverage, const std::string& mount, const std::string& why);
Error not_covered(const Coverage& coverage);
// The tightest counts.
void limit_free(Coverage& coverage, std::uint64_t bytes);

// Mounted as long as this lives; below the run directory. One that a killed process left there is unmounted first.
class PassingMount {
 public:
  static Result<PassingMount> make(const SnapshotHost& host, std::vector<std::string> mount_arguments);
  ~PassingMount();
  PassingMount(PassingMount&& other) noexcept : host_(other.host_), path_(std::exchange(other.path_, {})) {}
  PassingMount& operator=(PassingMount&&) = delete;
  const std::string& path() const { return path_; }

 private:
  PassingMount(const SnapshotHost& host, std::string path) : host_(&host), path_(std::move(path)) {}
  const SnapshotHost* host_;
  std::string path_;
};

// Which of what must outlive a restore lies on this mount.
std::vector<std::string> carried(const SnapshotHost& host, const std::vector<MountRow>& mounts, const MountRow& mount);
// Puts those as they are now into a tree that is to take the mount's place. May be repeated.
Status carry_over(const SnapshotHost& host, const std::vector<std::string>& paths, const MountRow& mount,
                  const std::string& tree);
// A folder as it is, to where nothing is yet.
Status copy_tree(const SnapshotHost& host, const std::string& from, const std::string& to);

}  // namespace belay::agent::snapshots
