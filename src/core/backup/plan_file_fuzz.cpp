// Any bytes are refused with words, or become a plan or a vault that goes through JSON unchanged and holds what the
// header promises; what is asked of it next does not end badly.
#include <cstddef>
#include <cstdint>

#include "base/assert.hpp"
#include "base/json.hpp"
#include "core/backup/agenda.hpp"

namespace {
using namespace belay;
using namespace belay::backup;

void use(const PlanSpec& plan) {
  const auto text = json::encode_text(plan);
  const auto again = json::decode_text<PlanSpec>(text);
  BELAY_ASSERT(again.ok() && json::encode_text(*again) == text);
  BELAY_ASSERT(!plan.name.empty() && !plan.vault.empty() && !plan.targets.empty());
  BELAY_ASSERT(plan.prove.level <= engine_rules(plan.source.engine).most && !plan.prove.pick.empty());
  const auto now = from_unix_ms(1'790'000'000'000);
  Progress progress;
  progress.node_id = "mi-0123456789abcdef0";
  for (int i = 0; i < 4; ++i) static_cast<void>(next_act(plan, {}, progress, now - std::chrono::days(40), now));
  BELAY_ASSERT(next_act(plan, {}, progress, now - std::chrono::days(40), now).act != Act::missed);
  VaultSpec vault;
  vault.name = plan.vault;
  vault.path = "/srv/b";
  static_cast<void>(check_plan_with_vaults(plan, vault, {}));
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto plan = read_plan(text);
  if (plan.ok()) use(*plan);
  else BELAY_ASSERT(!plan.error().message().empty());
  const auto vault = read_vault(text);
  if (!vault.ok()) {
    BELAY_ASSERT(!vault.error().message().empty());
    return 0;
  }
  const auto written = json::encode_text(*vault);
  const auto again = json::decode_text<VaultSpec>(written);
  BELAY_ASSERT(again.ok() && json::encode_text(*again) == written);
  BELAY_ASSERT(!vault->name.empty());
  return 0;
}
