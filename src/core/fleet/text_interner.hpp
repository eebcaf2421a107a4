#pragma once
// Texts as small whole numbers: equal texts get the same id, ids count up from 0. What it has seen it keeps.
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace belay::fleet {

class TextInterner {
 public:
  TextInterner();

  std::uint32_t intern(std::string_view text);
  // The same for many at once, several times as fast: memory is asked for ahead, while others are looked at.
  void intern_many(std::span<const std::string_view> texts, std::vector<std::uint32_t>& ids);
  std::optional<std::uint32_t> find(std::string_view text) const;
  // Valid as long as the interner; `id` must be one it gave out.
  std::string_view text(std::uint32_t id) const { return texts_[id]; }
  std::uint32_t size() const { return static_cast<std::uint32_t>(texts_.size()); }
  std::size_t bytes() const;  // of memory, about

 private:
  struct Slot {
    std::uint64_t hash;
    const char* text;
    std::uint32_t size;
    std::uint32_t id;
  };
  std::size_t place_of(std::uint64_t hash, std::string_view text) const;
  std::uint32_t intern_hashed(std::uint64_t hash, std::string_view text);
  void grow();
  std::string_view keep(std::string_view text);

  std::vector<Slot> slots_;  // open addressing, a power of two of them, at most half full
  std::vector<std::string_view> texts_;
  std::vector<std::unique_ptr<char[]>> chunks_;
  std::size_t chunk_free_ = 0, bytes_kept_ = 0;
  std::vector<std::uint64_t> hashes_;  // of the texts at hand
};

}  // namespace belay::fleet
