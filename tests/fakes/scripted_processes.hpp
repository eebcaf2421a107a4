#pragma once
// Programs that behave as a table says:
//
//   ScriptedProcesses processes;
//   processes.on("dpkg --print-architecture", prints("amd64\n"));
//   processes.on("apt-get * install *", [&](const io::ProcessSpec& spec, const io::OutputSink&) { …; return exits(0);
//   });
//
// The pattern is a glob (base/text.hpp) over the arguments joined by blanks. The newest row that matches wins. What no
// row matches is a program that is not installed. May be used from any thread; a behaviour runs on the caller's.
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "io/process.hpp"
#include "tests/fakes/killed.hpp"

namespace belay::fakes {

using Behaviour = std::function<Result<io::ProcessOutcome>(const io::ProcessSpec&, const io::OutputSink&)>;

io::ProcessOutcome exits(int status, std::string standard_output = {}, std::string standard_error = {});

Behaviour prints(std::string standard_output, int exit_status = 0);
Behaviour fails(int exit_status, std::string standard_error);
Behaviour times_out();
Behaviour dies_of(int signal);
Behaviour is_missing();  // not installed
// A server: says this, runs as process 4242, and goes on until a signal is sent to it or it is cancelled.
Behaviour serves(std::string standard_output = {});
Behaviour kills_us();  // the machine goes down while it runs: throws Killed
// One after the other; the last stays.
Behaviour in_turn(std::vector<Behaviour> behaviours);

class ScriptedProcesses final : public io::Processes {
 public:
  void on(std::string pattern, Behaviour behaviour);
  // The sink gets what the outcome holds, where the behaviour did not feed it itself.
  Result<io::ProcessOutcome> run(const io::ProcessSpec& spec, const io::OutputSink& sink = {}) override;

  std::vector<std::string> command_lines() const;  // every call, arguments joined by blanks
  std::vector<io::ProcessSpec> calls() const;
  int count(std::string_view pattern) const;  // calls that match

 private:
  struct Row {
    std::string pattern;
    Behaviour behaviour;
  };
  mutable std::mutex mutex_;
  std::vector<Row> rows_;
  std::vector<io::ProcessSpec> calls_;
};

}  // namespace belay::fakes
