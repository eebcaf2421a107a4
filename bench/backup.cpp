// One backup job as the agent works on it, and what each program that it called took; for backup.py.
//   bench_backup JOB.json KEY DIRECTORY      the job, the repository's key, where work and state lie
// Prints one line of JSON: {"outcome", "why", "ms", "calls": [{"argv", "ms"}]}.
#include <fstream>
#include <iostream>
#include <iterator>

#include "agent/backup/backup_engine.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "io/system_clock.hpp"

namespace {
using namespace belay;

// The real ones, with a look at the clock.
class TimedProcesses : public io::Processes {
 public:
  Result<io::ProcessOutcome> run(const io::ProcessSpec& spec, const io::OutputSink& sink) override {
    const auto begun = io::system_clock().monotonic();
    auto outcome = io::real_processes().run(spec, sink);
    const auto took = io::system_clock().monotonic() - begun;
    calls.push_back(json::Object{{"argv", sanitize(join(spec.argv, " "), 2'000)}, {"ms", took.count()}});
    return outcome;
  }
  json::Array calls;
};

int work(const std::string& job_path, const std::string& key, const std::string& directory) {
  std::ifstream file(job_path);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const auto job = json::decode_text<backup::Job>(text);
  if (!job.ok()) {
    std::cerr << job_path << ": " << job.error().chain() << "\n";
    return 1;
  }
  TimedProcesses processes;
  const agent::BackupHost host{.files = io::real_files(),
                               .processes = processes,
                               .clock = io::system_clock(),
                               .work_directory = directory + "/work",
                               .state_directory = directory + "/state"};
  const auto begun = io::system_clock().monotonic();
  const auto report = agent::do_job(host, *job, {{"repository.key", key}});
  const auto took = io::system_clock().monotonic() - begun;
  std::cout << json::to_text(json::Object{{"outcome", boost::describe::enum_to_string(report.outcome, "?")},
                                          {"why", report.why},
                                          {"ms", took.count()},
                                          {"calls", std::move(processes.calls)}})
            << "\n";
  return report.outcome == backup::JobOutcome::ok ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 4) return work(argv[1], argv[2], argv[3]);
  std::cerr << "usage: bench_backup JOB.json KEY DIRECTORY\n";
  return 2;
}
