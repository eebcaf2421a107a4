#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <array>

#include "server/api/shapes/shapes.hpp"

namespace belay::server::shapes {
namespace {

constexpr std::uint32_t kMatchLimit = 200'000, kDepthLimit = 2'000;
constexpr int kErrorRepeatTooBig = 105;  // PCRE2's own limit of a repeat is 65,535

struct MatchContext {
  pcre2_match_context* context = pcre2_match_context_create(nullptr);
  pcre2_match_data* data = pcre2_match_data_create(1, nullptr);
  MatchContext() {
    BELAY_ASSERT(context && data);
    pcre2_set_match_limit(context, kMatchLimit);
    pcre2_set_depth_limit(context, kDepthLimit);
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
  int error = 0;
  std::size_t offset = 0;
  pcre2_code* code =
      pcre2_compile(bytes_of(text), text.size(),
                    PCRE2_UTF | PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_NEVER_BACKSLASH_C, &error, &offset, nullptr);
  if (!code && error == kErrorRepeatTooBig && text.starts_with("^.{") && text.ends_with("}$")) return Pattern();
  if (!code) {
    std::array<PCRE2_UCHAR, 128> words{};
    pcre2_get_error_message(error, words.data(), words.size());
    return Error(Code::corrupt, "pattern '" + std::string(text) + "' at " + std::to_string(offset) + ": " +
                                    reinterpret_cast<const char*>(words.data()));
  }
  pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);  // where it is not available the interpreter does it
  auto compiled = std::make_shared<Compiled>();
  compiled->code = code;
  Pattern pattern;
  pattern.compiled_ = std::move(compiled);
  return pattern;
}

bool Pattern::matches(std::string_view text) const {
  if (!compiled_) return true;
  thread_local const MatchContext match;
  int outcome = pcre2_match(compiled_->code, bytes_of(text), text.size(), 0, 0, match.data, match.context);
  if (outcome == PCRE2_ERROR_JIT_STACKLIMIT)
    outcome = pcre2_match(compiled_->code, bytes_of(text), text.size(), 0, PCRE2_NO_JIT, match.data, match.context);
  return outcome >= 0;
}

}  // namespace belay::server::shapes
