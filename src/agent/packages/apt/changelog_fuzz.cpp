// Changelogs and the tar streams they come in: any bytes, in pieces of any size.
#include <cassert>

#include "agent/packages/apt/changelog.hpp"
#include "agent/packages/apt/tar_picker.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace belay::agent::apt;
  if (size == 0) return 0;
  std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
  const auto entries = parse_changelog(text);
  assert(entries.size() <= kChangelogEntriesMax);
  if (!entries.empty()) {
    notes_of(entries, {entries.front().version, "1"}, BuiltVersion{"1.0-1+b1", "1.0-1"}, belay::Instant{});
    notes_of(entries, {"1", entries.front().version}, std::nullopt, belay::Instant{});
  }
  TarPicker whole([](std::string_view) { return true; }, 4'096), pieces([](std::string_view) { return true; }, 4'096);
  whole.take(text);
  for (const std::size_t piece = data[0] + 1u; !text.empty(); text.remove_prefix(std::min(piece, text.size())))
    pieces.take(text.substr(0, piece));
  assert(whole.files() == pieces.files());
  return 0;
}
