#include <zstd.h>

#include "store/detail.hpp"

namespace belay::store::detail {
namespace {
constexpr int kLevel = 3;
}

Blob compress(std::string_view text) {
  std::string bytes(ZSTD_compressBound(text.size()), '\0');
  const std::size_t size = ZSTD_compress(bytes.data(), bytes.size(), text.data(), text.size(), kLevel);
  BELAY_ASSERT(!ZSTD_isError(size));
  bytes.resize(size);
  bytes.shrink_to_fit();
  return {std::move(bytes)};
}

Result<std::string> decompress(std::string_view bytes, std::size_t bytes_max) {
  const auto size = ZSTD_getFrameContentSize(bytes.data(), bytes.size());
  if (size == ZSTD_CONTENTSIZE_ERROR || size == ZSTD_CONTENTSIZE_UNKNOWN || size > bytes_max)
    return Error(Code::corrupt, "a stored text is damaged: its size cannot be told");
  std::string text(static_cast<std::size_t>(size), '\0');
  const std::size_t got = ZSTD_decompress(text.data(), text.size(), bytes.data(), bytes.size());
  if (ZSTD_isError(got) || got != text.size())
    return Error(Code::corrupt, "a stored text is damaged: it does not decompress");
  return text;
}

}  // namespace belay::store::detail
