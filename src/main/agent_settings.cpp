#include "main/agent_settings.hpp"

#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

namespace belay {
namespace {
constexpr std::size_t kConfigBytesMax = 64 << 10;
}

Result<AgentSettings> read_agent_settings(const io::Files& files, const std::string& path) {
  AgentSettings settings;
  const auto text = files.read(path, kConfigBytesMax);
  if (!text.ok() && text.error().code() == Code::not_found) return settings;
  if (!text.ok()) return text.error().within("the configuration cannot be read");
  const auto parsed = toml::parse(*text, path);
  if (!parsed)
    return Error(Code::invalid_argument, path + ", line " + std::to_string(parsed.error().source().begin.line) + ": " +
                                             std::string(parsed.error().description()));
  for (const auto& [key, value] : parsed.table()) {
    std::string* target = key.str() == "server"  ? &settings.server
                          : key.str() == "state" ? &settings.state
                          : key.str() == "lists" ? &settings.lists
                                                 : nullptr;
    if (!target)
      return Error(Code::invalid_argument,
                   path + ": unknown setting '" + std::string(key.str()) + "' (known: server, state, lists)");
    const auto words = value.value<std::string>();
    if (!words) return Error(Code::invalid_argument, path + ": " + std::string(key.str()) + " must be text");
    *target = *words;
  }
  return settings;
}

}  // namespace belay
