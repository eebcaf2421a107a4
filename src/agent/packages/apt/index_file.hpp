#pragma once
// apt's index files, plain or as apt may keep them (.lz4 .xz .gz .zst), a piece of whole paragraphs at a time, so that
// fifty megabytes of Packages never lie in memory at once.
#include <functional>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace belay::agent::apt {

enum class Compression { none, lz4, xz, gzip, zstd };

// By the file's ending. unsupported: an ending that apt knows and we do not (.bz2, .lzma).
Result<Compression> compression_of(std::string_view path);

inline constexpr std::size_t kIndexBytesMax = 1u << 30;  // unpacked
inline constexpr std::size_t kStanzaBytesMax = 1u << 20;

// Calls `visit` with text that ends at the end of a paragraph (or of the file). corrupt: the compressed data is
// damaged or a paragraph is longer than any; resource_exhausted: more than kIndexBytesMax.
Status for_each_piece(const std::string& path, const std::function<void(std::string_view)>& visit);
Status for_each_piece(std::string_view packed, Compression compression,
                      const std::function<void(std::string_view)>& visit);

}  // namespace belay::agent::apt
