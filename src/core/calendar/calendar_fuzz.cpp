// Any text is refused or is a calendar, whose state holds until its next transition and is another from there on.
#include <cstddef>
#include <cstdint>

#include "base/assert.hpp"
#include "core/calendar/calendar.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace belay;
  const auto read = [](std::string_view name) -> Result<std::string> {
    return Error(Code::not_found, std::string(name));
  };
  const auto parsed = calendar::parse_calendar("fuzz", {reinterpret_cast<const char*>(data), size}, read);
  if (!parsed.ok()) return 0;
  Instant at = from_unix_ms(1'795'000'000'000);
  for (int i = 0; i < 5; ++i) {
    const auto state = calendar::calendar_state(*parsed, at);
    BELAY_ASSERT(calendar::held_by(std::span(&*parsed, 1), at).empty() == state.open);
    if (!state.next_transition) break;
    BELAY_ASSERT(*state.next_transition > at);
    BELAY_ASSERT(calendar::calendar_state(*parsed, *state.next_transition - Duration(1)).open == state.open);
    at = *state.next_transition;
    BELAY_ASSERT(calendar::calendar_state(*parsed, at).open != state.open);
  }
  return 0;
}
