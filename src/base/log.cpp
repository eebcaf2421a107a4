#include "base/log.hpp"

#include <atomic>
#include <cstdio>

#include "base/json.hpp"
#include "base/text.hpp"

namespace belay::log {
namespace {
constexpr std::size_t kFieldBytesMax = 4096;
std::atomic<Level> lowest_level{Level::info};

std::string_view name(Level level) {
  switch (level) {
    case Level::debug: return "debug";
    case Level::info: return "info";
    case Level::warning: return "warning";
    case Level::error: return "error";
  }
  return "error";
}
}  // namespace

void set_level(Level lowest) { lowest_level = lowest; }

void write(Level level, std::string_view event, std::initializer_list<Field> fields) {
  if (level < lowest_level.load(std::memory_order_relaxed)) return;
  const auto now = std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now());
  json::Object line{{"time", to_iso8601(now)}, {"level", name(level)}, {"event", event}};
  for (const auto& field : fields) line.emplace(field.name, sanitize(field.value, kFieldBytesMax));
  const std::string text = json::to_text(line) + "\n";
  std::fwrite(text.data(), 1, text.size(), stderr);  // one write: lines of several threads do not mix
}

}  // namespace belay::log
