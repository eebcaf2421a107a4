#include "tests/fakes/scripted_processes.hpp"

#include <algorithm>
#include <memory>
#include <thread>

#include "base/text.hpp"

namespace belay::fakes {
namespace {

Error missing(const std::string& program) {
  return Error(Code::not_found, "the program " + program + " is not installed", "program-missing");
}

}  // namespace

io::ProcessOutcome exits(int status, std::string standard_output, std::string standard_error) {
  io::ProcessOutcome outcome;
  outcome.exit_status = status;
  outcome.standard_output = std::move(standard_output);
  outcome.standard_error = std::move(standard_error);
  return outcome;
}

Behaviour prints(std::string standard_output, int exit_status) {
  return [=](const io::ProcessSpec&, const io::OutputSink&) { return exits(exit_status, standard_output); };
}

Behaviour fails(int exit_status, std::string standard_error) {
  return [=](const io::ProcessSpec&, const io::OutputSink&) { return exits(exit_status, {}, standard_error); };
}

Behaviour times_out() {
  return [](const io::ProcessSpec& spec, const io::OutputSink&) {
    io::ProcessOutcome outcome;
    outcome.end = io::ProcessOutcome::End::timed_out;
    outcome.duration = spec.timeout;
    return outcome;
  };
}

Behaviour dies_of(int signal) {
  return [=](const io::ProcessSpec&, const io::OutputSink&) {
    io::ProcessOutcome outcome;
    outcome.end = io::ProcessOutcome::End::signalled;
    outcome.signal = signal;
    return outcome;
  };
}

Behaviour serves(std::string standard_output) {
  return [=](const io::ProcessSpec& spec, const io::OutputSink& sink) {
    if (spec.started) spec.started(4242);
    if (sink && !standard_output.empty()) sink(1, standard_output);
    const auto signal = [&] { return spec.send_signal ? spec.send_signal->load() : 0; };
    while (signal() == 0 && !(spec.cancel && spec.cancel->load())) std::this_thread::sleep_for(Duration(1));
    io::ProcessOutcome outcome;
    outcome.end = signal() ? io::ProcessOutcome::End::signalled : io::ProcessOutcome::End::cancelled;
    outcome.signal = signal();
    return outcome;
  };
}

Behaviour is_missing() {
  return [](const io::ProcessSpec& spec, const io::OutputSink&) { return missing(spec.argv.front()); };
}

Behaviour kills_us() {
  return [](const io::ProcessSpec& spec, const io::OutputSink&) -> Result<io::ProcessOutcome> {
    throw Killed{join(spec.argv, " ")};
  };
}

Behaviour in_turn(std::vector<Behaviour> behaviours) {
  auto next = std::make_shared<std::size_t>(0);
  return [behaviours = std::move(behaviours), next](const io::ProcessSpec& spec, const io::OutputSink& sink) {
    return behaviours[std::min((*next)++, behaviours.size() - 1)](spec, sink);
  };
}

void ScriptedProcesses::on(std::string pattern, Behaviour behaviour) {
  const std::scoped_lock lock(mutex_);
  rows_.push_back({std::move(pattern), std::move(behaviour)});
}

Result<io::ProcessOutcome> ScriptedProcesses::run(const io::ProcessSpec& spec, const io::OutputSink& sink) {
  Behaviour behaviour;
  {
    const std::scoped_lock lock(mutex_);
    calls_.push_back(spec);
    const auto line = join(spec.argv, " ");
    for (const auto& row : rows_)
      if (glob_match(row.pattern, line)) behaviour = row.behaviour;
  }
  if (!behaviour) return missing(spec.argv.empty() ? "" : spec.argv.front());
  bool fed = false;
  const io::OutputSink watching = [&](int stream, std::string_view text) {
    fed = true;
    if (sink) sink(stream, text);
  };
  auto outcome = behaviour(spec, watching);
  if (outcome.ok() && sink && !fed) {
    if (!outcome->standard_output.empty()) sink(1, outcome->standard_output);
    if (!outcome->standard_error.empty()) sink(2, outcome->standard_error);
  }
  return outcome;
}

std::vector<std::string> ScriptedProcesses::command_lines() const {
  const std::scoped_lock lock(mutex_);
  std::vector<std::string> lines;
  for (const auto& call : calls_) lines.push_back(join(call.argv, " "));
  return lines;
}

std::vector<io::ProcessSpec> ScriptedProcesses::calls() const {
  const std::scoped_lock lock(mutex_);
  return calls_;
}

int ScriptedProcesses::count(std::string_view pattern) const {
  const auto lines = command_lines();
  return static_cast<int>(
      std::count_if(lines.begin(), lines.end(), [&](const auto& line) { return glob_match(pattern, line); }));
}

}  // namespace belay::fakes
