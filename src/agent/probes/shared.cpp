#include "agent/probes/kinds.hpp"
#include "base/text.hpp"

namespace belay::agent::probes {
namespace {

constexpr std::size_t kToolOutputBytesMax = 2 << 20;
constexpr std::size_t kComplaintBytesMax = 300;

}  // namespace

ProbeReading reading(bool healthy, std::string_view detail, std::map<std::string, std::string> values) {
  return {healthy, sanitize(detail, kDetailBytesMax), std::move(values)};
}

Result<std::string> value_before(const ProbeReading& before, const std::string& key) {
  if (const auto found = before.values.find(key); found != before.values.end()) return found->second;
  return Error(Code::not_found, "there is no reading from before the change to compare with");
}

std::string how_it_ended(const io::ProcessOutcome& outcome) {
  using End = io::ProcessOutcome::End;
  switch (outcome.end) {
    case End::exited: return "exit status " + std::to_string(outcome.exit_status);
    case End::signalled: return "killed by signal " + std::to_string(outcome.signal);
    case End::timed_out: return "not done in time";
    case End::cancelled: return "cancelled";
  }
  return "no known end";
}

Result<std::string> ask_tool(io::Processes& processes, std::vector<std::string> argv, Duration timeout,
                             const io::OutputSink& sink) {
  const std::string tool = argv.front();
  io::ProcessSpec spec;
  spec.argv = std::move(argv);
  spec.environment = io::plain_environment();
  spec.timeout = timeout;
  spec.output_bytes_max = sink ? kComplaintBytesMax : kToolOutputBytesMax;
  BELAY_TRY_ASSIGN(auto outcome, processes.run(spec, sink));
  if (!outcome.success()) {
    const auto complaint = sanitize(trim(outcome.standard_error), kComplaintBytesMax);
    const bool late = outcome.end == io::ProcessOutcome::End::timed_out;
    return Error(late ? Code::timed_out : Code::unavailable,
                 tool + ": " + how_it_ended(outcome) + (complaint.empty() ? "" : ": " + complaint));
  }
  if (!sink && outcome.output_bytes_dropped > 0)
    return Error(Code::resource_exhausted, tool + " says more than can be read");
  return std::move(outcome.standard_output);
}

Status require_systemd(const io::Files& files) {
  if (files.info("/run/systemd/system").ok()) return {};
  return Error(Code::unsupported, "systemd does not run this host; measure it by a command", "no-systemd");
}

}  // namespace belay::agent::probes
