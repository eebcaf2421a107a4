#include "main/agent_settings.hpp"

#include "base/text.hpp"
#include "base/toml.hpp"

namespace belay {
namespace {
constexpr std::size_t kConfigBytesMax = 64 << 10;
}

Result<AgentSettings> read_agent_settings(const io::Files& files, const std::string& path) {
  AgentSettings settings;
  const auto text = files.read(path, kConfigBytesMax);
  if (!text.ok() && text.error().code() == Code::not_found) return settings;
  if (!text.ok()) return text.error().within("the configuration cannot be read");
  BELAY_TRY_ASSIGN(const auto parsed, toml::parse(*text).within(path));
  for (const auto& member : parsed.value.get_object()) {
    const std::string_view key = member.key();
    std::string* target = key == "server"   ? &settings.server
                          : key == "state"  ? &settings.state
                          : key == "lists"  ? &settings.lists
                          : key == "policy" ? &settings.policy
                                            : nullptr;
    if (!target)
      return Error(Code::invalid_argument,
                   path + ": unknown setting '" + sanitize(key, 100) + "' (known: server, state, lists, policy)");
    if (!member.value().is_string())
      return Error(Code::invalid_argument, path + ": " + std::string(key) + " must be text");
    *target = member.value().get_string().c_str();
  }
  return settings;
}

}  // namespace belay
