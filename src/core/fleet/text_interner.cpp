#include "core/fleet/text_interner.hpp"

#include <algorithm>
#include <cstring>
#include <functional>

#include "base/assert.hpp"

namespace belay::fleet {
namespace {

constexpr std::uint32_t kFree = UINT32_MAX;
constexpr std::size_t kChunkBytes = 64 << 10;

}  // namespace

TextInterner::TextInterner() : slots_(1024, Slot{0, nullptr, 0, kFree}) {}

// Where the text is, or the free slot where it belongs. Hashes only guide: the text decides.
std::size_t TextInterner::place_of(std::uint64_t hash, std::string_view text) const {
  const std::size_t mask = slots_.size() - 1;
  std::size_t place = hash & mask;
  while (slots_[place].id != kFree &&
         (slots_[place].hash != hash || std::string_view(slots_[place].text, slots_[place].size) != text))
    place = (place + 1) & mask;
  return place;
}

std::uint32_t TextInterner::intern(std::string_view text) {
  return intern_hashed(std::hash<std::string_view>()(text), text);
}

void TextInterner::intern_many(std::span<const std::string_view> texts, std::vector<std::uint32_t>& ids) {
  hashes_.clear();
  ids.clear();
  for (const auto text : texts) {
    hashes_.push_back(std::hash<std::string_view>()(text));
    __builtin_prefetch(&slots_[hashes_.back() & (slots_.size() - 1)]);
  }
  for (const auto hash : hashes_) {
    const auto& slot = slots_[hash & (slots_.size() - 1)];
    if (slot.hash == hash) __builtin_prefetch(slot.text);
  }
  for (std::size_t i = 0; i < texts.size(); ++i) ids.push_back(intern_hashed(hashes_[i], texts[i]));
}

std::uint32_t TextInterner::intern_hashed(std::uint64_t hash, std::string_view text) {
  std::size_t place = place_of(hash, text);
  if (slots_[place].id != kFree) return slots_[place].id;
  if ((texts_.size() + 1) * 2 > slots_.size()) {
    grow();
    place = place_of(hash, text);
  }
  const std::uint32_t id = size();
  BELAY_ASSERT(id != kFree && text.size() < UINT32_MAX);
  texts_.push_back(keep(text));
  slots_[place] = {hash, texts_.back().data(), static_cast<std::uint32_t>(text.size()), id};
  return id;
}

std::optional<std::uint32_t> TextInterner::find(std::string_view text) const {
  const auto& slot = slots_[place_of(std::hash<std::string_view>()(text), text)];
  return slot.id == kFree ? std::nullopt : std::optional(slot.id);
}

void TextInterner::grow() {
  std::vector<Slot> old(slots_.size() * 2, Slot{0, nullptr, 0, kFree});
  old.swap(slots_);
  const std::size_t mask = slots_.size() - 1;
  for (const auto& slot : old) {
    if (slot.id == kFree) continue;
    std::size_t place = slot.hash & mask;
    while (slots_[place].id != kFree) place = (place + 1) & mask;
    slots_[place] = slot;
  }
}

std::string_view TextInterner::keep(std::string_view text) {
  if (text.empty()) return {};
  if (chunk_free_ < text.size()) {
    chunk_free_ = std::max(kChunkBytes, text.size());
    chunks_.push_back(std::make_unique<char[]>(chunk_free_));
    bytes_kept_ += chunk_free_;
  }
  // The chunk is filled from its end, so that only what is free has to be remembered.
  chunk_free_ -= text.size();
  char* kept = chunks_.back().get() + chunk_free_;
  std::memcpy(kept, text.data(), text.size());
  return {kept, text.size()};
}

std::size_t TextInterner::bytes() const {
  return bytes_kept_ + slots_.size() * sizeof(Slot) + texts_.size() * sizeof(std::string_view);
}

}  // namespace belay::fleet
