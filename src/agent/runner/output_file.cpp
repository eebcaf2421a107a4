#include "agent/runner/output_file.hpp"

#include "base/text.hpp"

namespace belay::agent {
namespace {
constexpr std::size_t kFileBytesMax = 1 << 20;
constexpr std::size_t kPieceBytesMax = 64 << 10;
constexpr Duration kFlushEvery{1'000};
}  // namespace

void OutputFile::add(std::string_view text) {
  if (written_bytes_ + waiting_.size() >= kFileBytesMax) return;
  waiting_ += sanitize(text, kPieceBytesMax);
  if (waiting_.size() >= kPieceBytesMax || clock_.monotonic() - flushed_at_ >= kFlushEvery) flush();
}

void OutputFile::flush() {
  if (waiting_.empty()) return;
  // Progress only: what matters comes with the result, so a failing write is not worth a failing run.
  if (files_.append_durable(path_, waiting_, 0600).ok()) written_bytes_ += waiting_.size();
  waiting_.clear();
  flushed_at_ = clock_.monotonic();
}

}  // namespace belay::agent
