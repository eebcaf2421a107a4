#pragma once
// One maker a kind, and what several kinds share. Only for agent/probes' own sources.
#include <algorithm>

#include "agent/probes/probes.hpp"

namespace belay::agent::probes {

inline constexpr std::size_t kDetailBytesMax = 1'000;

using ProbePtr = std::unique_ptr<HealthProbe>;
ProbePtr make_probe(std::string name, patchrun::SystemdProbe spec, const ProbeSeams& seams);
ProbePtr make_probe(std::string name, patchrun::TcpProbe spec, const ProbeSeams& seams);
ProbePtr make_probe(std::string name, patchrun::HttpProbe spec, const ProbeSeams& seams);
ProbePtr make_probe(std::string name, patchrun::CommandProbe spec, const ProbeSeams& seams);
ProbePtr make_probe(std::string name, patchrun::JournalProbe spec, const ProbeSeams& seams);
ProbePtr make_probe(std::string name, patchrun::PortsProbe spec, const ProbeSeams& seams);
ProbePtr make_probe(std::string name, patchrun::DiskProbe spec, const ProbeSeams& seams);
ProbePtr make_probe(std::string name, patchrun::LoadProbe spec, const ProbeSeams& seams);

class NamedProbe : public HealthProbe {
 public:
  explicit NamedProbe(std::string name) : name_(std::move(name)) {}
  std::string_view name() const override { return name_; }

 private:
  std::string name_;
};

// The time of one reading, where it takes several steps.
class Allowance {
 public:
  Allowance(const Clock& clock, Duration total) : clock_(clock), until_(clock.monotonic() + total) {}
  // At least a moment: whoever is given it says in its own words that time is up.
  Duration left() const { return std::max(Duration(1), until_ - clock_.monotonic()); }

 private:
  const Clock& clock_;
  Duration until_;
};

ProbeReading reading(bool healthy, std::string_view detail, std::map<std::string, std::string> values = {});

// not_found where `before` could not be measured, so that there is nothing to compare with.
Result<std::string> value_before(const ProbeReading& before, const std::string& key);

// What a program of the host's that measures prints, or why it says nothing. More than can be kept is an error, for
// half an answer is none; with a sink it goes there as it comes, and the result holds only a part.
Result<std::string> ask_tool(io::Processes& processes, std::vector<std::string> argv, Duration timeout,
                             const io::OutputSink& sink = {});
// "exit status 3", "killed by signal 9"
std::string how_it_ended(const io::ProcessOutcome& outcome);

// systemd is what runs this host; else its tools say things that are not so.
Status require_systemd(const io::Files& files);

}  // namespace belay::agent::probes
