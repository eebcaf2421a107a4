#pragma once
// What the engines share: calling a program as the fields of a job want it, judging how it ended, evidence.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/backup/backup_engine.hpp"

namespace belay::agent::backups {

inline constexpr std::size_t kToolOutputBytesMax = 8u << 20;

// A file that only the job's process reads, with a secret in it; gone with the object.
class SecretFile {
 public:
  static Result<SecretFile> make(const BackupHost& host, std::string_view name, std::string_view content,
                                 std::uint32_t user_id = 0, std::uint32_t group_id = 0);
  ~SecretFile();
  SecretFile(SecretFile&& other) noexcept;
  SecretFile& operator=(SecretFile&&) = delete;
  const std::string& path() const { return path_; }

 private:
  SecretFile(io::Files& files, std::string path) : files_(&files), path_(std::move(path)) {}
  io::Files* files_;
  std::string path_;
};

struct Call {
  std::vector<std::string> argv;
  std::map<std::string, std::string> environment{};  // beside plain_environment()
  std::string standard_input{};
  std::string user{};       // a system user's name or number; "" root
  std::string directory{};  // "" the job's work directory
  Duration timeout{300'000};
  bool gently = false;  // nice and idle I/O where the job's limits say so
  // Walls (io::Isolation): nothing but lo, no process but its own, and of the machine's disk neither the sockets (/run,
  // /tmp, the source's own) nor data directories of databases; what it sees of the rest it cannot write, whoever it is.
  // The job's directories stay. All that it started ends with it, so a server runs in the foreground (DrillServer).
  bool isolated = false;
  bool reads_all = false;            // with `user`: may read every file all the same
  std::vector<std::string> kept{};   // beside the work directory and the scratch: directories that stay reachable
  std::vector<std::string> shown{};  // likewise, to be read alone
  std::string input_file{}, output_file{};  // in place of standard input and output
  io::OutputSink sink{};
};
inline constexpr std::string_view kNobody = "nobody";  // who runs what needs no rights
// How it ended, output included. It dies with this process. A `user` reaches the job's directories, whoever may enter
// those above them. not_found where the program is not installed: names the Debian package.
Result<io::ProcessOutcome> call(const BackupHost& host, const backup::Job& job, Call what);
// Its standard output where it ended with 0; else failed with the last lines of what it said. Secrets are the caller's
// to take out.
Result<std::string> must(const BackupHost& host, const backup::Job& job, Call what);

// As a rename; where the file system cannot rename it (an overlay's lower directory, another disk), it is copied and
// removed, which takes its time. The place must not be there.
Status move_to(const BackupHost& host, const backup::Job& job, const std::string& from, const std::string& to);

// "timed out after 5 min", "exit status 64: …", "killed by signal 9".
std::string how_it_ended(const io::ProcessOutcome& outcome);
// The same of one that was no success, as timed_out, cancelled or internal.
Error error_of(const io::ProcessOutcome& outcome, const std::string& what = {});
// The text without anything that is among the secrets; at most so many bytes, the middle cut.
std::string without_secrets(std::string text, const Secrets& secrets, std::size_t bytes_max);

// ---- making a report
void pass(backup::JobReport& report, backup::ProofLevel level, std::string what, std::string seen);
// It was looked at and did not hold. Also sets outcome and why, as the next two do.
void fail(backup::JobReport& report, backup::ProofLevel level, std::string what, std::string seen);
// It could not be looked at: says nothing of the point.
void could_not(backup::JobReport& report, backup::ProofLevel level, std::string what, std::string why);
// Whether an error is of the place, the tools or the time, and so says nothing of what was to be looked at: stopped,
// timed out, no room, vault away, another's lock, a program that is missing or too old.
bool blames_nobody(const Error& error);
// could_not() where the error blames nobody, else fail().
void fail(backup::JobReport& report, backup::ProofLevel level, std::string what, const Error& error);
backup::JobReport failed(backup::Task task, const Error& error);  // its reason is the subject of a problem

// Takes the time of phases as they follow each other.
class Stopwatch {
 public:
  Stopwatch(const Clock& clock, backup::JobReport& report) : clock_(clock), report_(report) {}
  void begin(std::string phase);  // ends the one before
  void end();

 private:
  const Clock& clock_;
  backup::JobReport& report_;
  std::string phase_;
  Duration begun_{};
};

// ---- scratch
// Where drills have their room: job.scratch, or below the state directory.
std::string scratch_base(const BackupHost& host, const backup::Job& job);

// A directory of this job below job.scratch (or the state directory) with at least so many bytes free, else
// resource_exhausted "no-room" that names both figures. Owned by `user`. Gone with the object, mounts and processes
// below first. What a killed process left is removed by the next.
class Scratch {
 public:
  static Result<Scratch> make(const BackupHost& host, const backup::Job& job, std::uint64_t bytes_needed,
                              std::string_view user = {});
  ~Scratch();
  Scratch(Scratch&& other) noexcept;
  Scratch& operator=(Scratch&&) = delete;
  const std::string& path() const { return path_; }

 private:
  Scratch(const BackupHost& host, std::string path) : host_(&host), path_(std::move(path)) {}
  const BackupHost* host_;
  std::string path_;
};

struct SystemUser {
  std::uint32_t user_id = 0, group_id = 0;
  std::string home;
};
// From /etc/passwd, by name or by number; not_found.
Result<SystemUser> system_user(const BackupHost& host, std::string_view name);
Status give_to(const BackupHost& host, const SystemUser& user, const std::string& path, bool with_all_below = false);

// ---- a server that runs only for a drill: started in isolation as an unprivileged user, stopped with the object, also
// where the agent's process is killed (it dies with it). `server` stays in the foreground; it lives no longer than the
// job's limits.timeout.
class DrillServer {
 public:
  static Result<DrillServer> start(const BackupHost& host, const backup::Job& job, Call server);
  ~DrillServer();
  DrillServer(DrillServer&&) noexcept;
  DrillServer& operator=(DrillServer&&) = delete;
  bool is_running() const;
  // A program in the server's own namespaces: its client. root is root there by its name alone (a database may know
  // him by his socket), and may read every file.
  Result<io::ProcessOutcome> call(const BackupHost& host, const backup::Job& job, Call client) const;
  std::string output() const;  // what it printed so far, bounded
  // timed_out where it had to be killed. May be repeated.
  Status stop(int signal, Duration patience);
  std::optional<io::ProcessOutcome> outcome() const;  // once it has ended

 private:
  struct Impl;
  explicit DrillServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// ---- the operator's checks
// `ask` answers one SQL question: the first column of the first row; empty: there is no SQL here. `run_isolated` runs a
// command where the drill is; empty: as nobody who reads all, in walls of its own, BELAY_RESTORED names the root of
// what was restored. Adds P5 evidence for each check.
void run_checks(const BackupHost& host, const backup::Job& job, backup::JobReport& report,
                const std::string& restored_root, const std::function<Result<std::string>(const backup::Check&)>& ask,
                const std::function<Result<io::ProcessOutcome>(Call)>& run_isolated);
// P3: fingerprints of the restored against those of the point.
void compare(backup::JobReport& report, const std::vector<backup::Fingerprint>& then,
             const std::vector<backup::Fingerprint>& now);

}  // namespace belay::agent::backups
