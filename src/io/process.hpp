#pragma once
// Child processes. Blocking: call from a worker thread, never from the event loop.
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/time.hpp"

namespace belay::io {

// Walls around a process that is not to reach what this machine does for real. Needs root. unsupported with reason
// "no-isolation" where the kernel or a container around us does not allow it.
struct Isolation {
  bool network = false;    // a network with nothing but lo: no socket of the machine, the abstract ones included
  bool processes = false;  // sees no process but its own; all of them end with it. Only together with `network`
  // Directories that are empty for it; those that are absent are passed over. Its mounts are its own in any case.
  std::vector<std::string> hidden;
  std::vector<std::string> kept{};  // directories below hidden ones that stay as they are, reachable for everybody
  // Nothing of the machine's disk can be written but `kept`; what is hidden is its own, and stays writable. A kernel
  // before 5.12 knows it of / and the usual file systems below alone.
  bool read_only = false;
  std::vector<std::string> shown{};  // as `kept`, and never writable
};

struct ProcessSpec {
  std::vector<std::string> argv;                   // argv[0] is looked up in PATH of `environment`, no shell
  std::map<std::string, std::string> environment;  // the whole environment, nothing is inherited
  std::string working_directory = "/";
  std::string standard_input;                 // then end of file
  Duration timeout{60'000};                   // after it SIGTERM to the process group, SIGKILL 10 s later
  std::size_t output_bytes_max = 1 << 20;     // of each stream; the rest is counted and dropped, the middle is cut
  const std::atomic<bool>* cancel = nullptr;  // set to true: as at the timeout
  std::uint32_t user_id = 0, group_id = 0;    // other than 0: drop to them first
  bool gently = false;                        // nice 19 and idle I/O: gives way to everything else
  bool reads_all = false;   // … but read every file all the same, as root does; nothing else. Of root: no other right
  std::string input_file;   // where not empty: in place of standard_input
  std::string output_file;  // where not empty: standard output goes there (0600, what was there is gone), nowhere else
  bool dies_with_caller = false;  // killed when the calling thread ends, also where that is by kill -9
  std::optional<Isolation> isolation;
  int beside = 0;                            // runs within the walls of this isolated process; 0: not
  std::function<void(int process)> started;  // called once when it runs
  const std::atomic<int>* send_signal =
      nullptr;  // sent to the process (not its group) each time it becomes another; 0: none
};

struct ProcessOutcome {
  enum class End { exited, signalled, timed_out, cancelled };
  End end = End::exited;
  int exit_status = 0;  // where exited
  int signal = 0;       // where signalled
  std::string standard_output;
  std::string standard_error;
  std::uint64_t output_bytes_dropped = 0;
  Duration duration{};
  bool success() const { return end == End::exited && exit_status == 0; }
};

// What the process writes, as it comes: stream 1 or 2. Called on the calling thread.
using OutputSink = std::function<void(int stream, std::string_view text)>;

class Processes {
 public:
  virtual ~Processes() = default;
  // An error only where the process could not be started (not_found, permission_denied); how it ended is in the
  // outcome. Every descendant in its process group is gone when this returns.
  virtual Result<ProcessOutcome> run(const ProcessSpec& spec, const OutputSink& sink = {}) = 0;
};

Processes& real_processes();

// The environment package managers and scripts get: PATH, LC_ALL=C.UTF-8, HOME=/root, and nothing of ours.
std::map<std::string, std::string> plain_environment();

}  // namespace belay::io
