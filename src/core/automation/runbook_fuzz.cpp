// Any bytes are refused or become a runbook, whose execution ends whatever happens to it.
#include <cstddef>
#include <cstdint>

#include "base/assert.hpp"
#include "core/automation/machine.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace belay;
  using namespace belay::automation;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  static_cast<void>(JsonPath::parse(text));
  static_cast<void>(parse_iso_duration(text));
  const auto runbook = parse_runbook(text, document::Format::YAML);
  if (!runbook.ok()) return 0;
  auto execution = new_execution(*runbook, "x", {});
  if (!execution.ok()) return 0;
  Instant now{Duration(1'000)};
  for (std::size_t turn = 0; turn < 5'000; ++turn) {
    Event event;
    event.kind = turn == 0 ? EventKind::begin : static_cast<EventKind>(1 + data[turn % size] % 9);
    event.outputs = {{"Output", text}, {"ResponseCode", 0}};
    if (step(*runbook, *execution, std::span(&event, 1), now).finished) return 0;
    now += Duration(3'600'000);
  }
  BELAY_ASSERT(false);
}
