#include "base/pattern.hpp"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <array>

#include "base/assert.hpp"
#include "base/text.hpp"

namespace belay {
namespace {

constexpr std::size_t kPatternBytesMax = 2'000;
constexpr std::uint32_t kMatchLimit = 200'000, kDepthLimit = 2'000, kHeapLimitKib = 8 << 10;

struct MatchContext {
  pcre2_match_context* context = pcre2_match_context_create(nullptr);
  pcre2_match_data* data = pcre2_match_data_create(1, nullptr);
  MatchContext() {
    BELAY_ASSERT(context && data);
    pcre2_set_match_limit(context, kMatchLimit);
    pcre2_set_depth_limit(context, kDepthLimit);
    pcre2_set_heap_limit(context, kHeapLimitKib);
  }
  ~MatchContext() {
    pcre2_match_data_free(data);
    pcre2_match_context_free(context);
  }
  MatchContext(const MatchContext&) = delete;
  MatchContext& operator=(const MatchContext&) = delete;
};

PCRE2_SPTR bytes_of(std::string_view text) { return reinterpret_cast<PCRE2_SPTR>(text.data()); }

}  // namespace

struct Pattern::Compiled {
  pcre2_code* code = nullptr;
  ~Compiled() { pcre2_code_free(code); }
};

Result<Pattern> Pattern::compile(std::string_view text) {
  const auto refuse = [&](const std::string& why) {
    return Error(Code::invalid_argument, "'" + sanitize(text, 80) + "' is no regular expression: " + why);
  };
  if (text.size() > kPatternBytesMax) return refuse("longer than 2000 bytes");
  int error = 0;
  std::size_t offset = 0;
  constexpr std::uint32_t kOptions =
      PCRE2_UTF | PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C;
  pcre2_code* code = pcre2_compile(bytes_of(text), text.size(), kOptions, &error, &offset, nullptr);
  if (!code) {
    std::array<PCRE2_UCHAR, 128> words{};
    pcre2_get_error_message(error, words.data(), words.size());
    return refuse(std::string(reinterpret_cast<const char*>(words.data())) + " at character " +
                  std::to_string(offset + 1));
  }
  auto compiled = std::make_shared<Compiled>();
  compiled->code = code;
  Pattern pattern;
  pattern.compiled_ = std::move(compiled);
  return pattern;
}

bool Pattern::matches_whole(std::string_view text) const {
  BELAY_ASSERT(compiled_ != nullptr);
  const MatchContext match;
  return pcre2_match(compiled_->code, bytes_of(text), text.size(), 0, PCRE2_NO_JIT, match.data, match.context) >= 0;
}

}  // namespace belay
