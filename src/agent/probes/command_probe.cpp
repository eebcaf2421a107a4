#include <algorithm>

#include "agent/probes/kinds.hpp"
#include "base/text.hpp"

namespace belay::agent::probes {
namespace {

constexpr std::size_t kOutputBytesMax = 800;  // of each stream; head and tail

class CommandProbe final : public NamedProbe {
 public:
  CommandProbe(std::string name, patchrun::CommandProbe spec, const ProbeSeams& seams)
      : NamedProbe(std::move(name)), spec_(std::move(spec)), seams_(seams) {}

  Result<ProbeReading> measure(Duration timeout, const ProbeReading*) override {
    io::ProcessSpec process;
    process.argv = {"/bin/sh", "-c", spec_.command};
    process.environment = io::plain_environment();
    process.timeout = std::min(timeout, spec_.timeout);
    process.output_bytes_max = kOutputBytesMax;
    BELAY_TRY_ASSIGN(const auto outcome, seams_.processes.run(process));
    // Its own time was not over: nothing is known about it.
    if (outcome.end == io::ProcessOutcome::End::timed_out && timeout < spec_.timeout)
      return Error(Code::timed_out, "the command was given " + humanize(timeout) + " of its " +
                                        humanize(spec_.timeout) + " and was not done");
    const std::string printed(trim(outcome.standard_output)), complaint(trim(outcome.standard_error));
    const auto said = printed + (printed.empty() || complaint.empty() ? "" : "\n") + complaint;
    return reading(outcome.success(), how_it_ended(outcome) + (said.empty() ? "" : ": " + said));
  }

 private:
  patchrun::CommandProbe spec_;
  ProbeSeams seams_;
};

}  // namespace

ProbePtr make_probe(std::string name, patchrun::CommandProbe spec, const ProbeSeams& seams) {
  return std::make_unique<CommandProbe>(std::move(name), std::move(spec), seams);
}

}  // namespace belay::agent::probes
