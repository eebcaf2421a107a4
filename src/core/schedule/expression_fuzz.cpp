// Any text is refused or is a schedule: what is due is after the instant asked for, and is found again from behind.
#include <cstddef>
#include <cstdint>

#include "base/assert.hpp"
#include "core/schedule/tzif.hpp"
#include "core/schedule/window.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace belay;
  using namespace belay::schedule;
  const auto expression = parse_expression({reinterpret_cast<const char*>(data), size});
  if (!expression.ok()) return 0;
  ZoneRules rules;
  rules.footer = parse_footer("CET-1CEST,M3.5.0,M10.5.0/3").value();
  Schedule given{.expression = *expression};
  const Instant now = from_unix_ms(1'774'700'000'000 + static_cast<std::int64_t>(size) * 3'600'000);
  static_cast<void>(validate(Window{given, 4, 1}, rules, now).ok());
  static_cast<void>(validate(given, rules, kAssociationRules, now).ok());
  Instant at = now;
  for (int i = 0; i < 5; ++i) {
    const auto due = next(given, rules, at);
    if (!due) break;
    BELAY_ASSERT(*due > at);
    BELAY_ASSERT(previous(given, rules, *due) == due);
    at = *due;
  }
  return 0;
}
