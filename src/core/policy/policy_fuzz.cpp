// Any bytes are refused or become a policy that answers.
#include <cstddef>
#include <cstdint>

#include "base/toml.hpp"
#include "core/policy/policy.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace belay;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto file = toml::parse(text, {.bytes_max = 4'096, .nodes_max = 500});
  if (!file.ok()) return 0;
  const auto policy = policy::read_policy(*file);
  if (!policy.ok()) return 0;
  static_cast<void>(policy::describe(*policy));
  document::Step step;
  step.work = document::RunShellScript{{"true"}, "/srv/app", {}, {}};
  static_cast<void>(policy::check(*policy, {}, {"Team-Deploy", "admin", true, false, false, {&step, 1}}, Instant{}));
  return 0;
}
