#include "agent/packages/apt/index_file.hpp"

#include <lz4frame.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include <cstring>
#include <memory>

#include "io/files.hpp"

namespace belay::agent::apt {
namespace {

// One decoder's step: takes from `in`, writes to `out`, says how much it wrote. ended: the packed data is complete.
struct Step {
  std::size_t written = 0;
  bool ended = false;
};

Error damaged(std::string_view format) {
  return Error(Code::corrupt, "the " + std::string(format) + " data is damaged or cut off", "metadata-missing");
}

class Decoder {
 public:
  virtual ~Decoder() = default;
  virtual Result<Step> decode(std::string_view& in, char* out, std::size_t room) = 0;
};

class Lz4Decoder final : public Decoder {
 public:
  Lz4Decoder() { LZ4F_createDecompressionContext(&context_, LZ4F_VERSION); }
  ~Lz4Decoder() override { LZ4F_freeDecompressionContext(context_); }
  Result<Step> decode(std::string_view& in, char* out, std::size_t room) override {
    std::size_t taken = in.size(), written = room;
    const std::size_t hint = LZ4F_decompress(context_, out, &written, in.data(), &taken, nullptr);
    if (LZ4F_isError(hint)) return damaged("lz4");
    in.remove_prefix(taken);
    if (taken == 0 && written == 0 && hint != 0) return damaged("lz4");
    return Step{written, hint == 0 && in.empty()};
  }

 private:
  LZ4F_dctx* context_ = nullptr;
};

class ZstdDecoder final : public Decoder {
 public:
  ~ZstdDecoder() override { ZSTD_freeDStream(stream_); }
  Result<Step> decode(std::string_view& in, char* out, std::size_t room) override {
    ZSTD_inBuffer input{in.data(), in.size(), 0};
    ZSTD_outBuffer output{out, room, 0};
    const std::size_t hint = ZSTD_decompressStream(stream_, &output, &input);
    if (ZSTD_isError(hint)) return damaged("zstd");
    in.remove_prefix(input.pos);
    if (input.pos == 0 && output.pos == 0 && hint != 0) return damaged("zstd");
    return Step{output.pos, hint == 0 && in.empty()};
  }

 private:
  ZSTD_DStream* stream_ = ZSTD_createDStream();
};

class XzDecoder final : public Decoder {
 public:
  XzDecoder() { started_ = lzma_stream_decoder(&stream_, 128u << 20, LZMA_CONCATENATED) == LZMA_OK; }
  ~XzDecoder() override { lzma_end(&stream_); }
  Result<Step> decode(std::string_view& in, char* out, std::size_t room) override {
    if (!started_) return damaged("xz");
    stream_.next_in = reinterpret_cast<const std::uint8_t*>(in.data());
    stream_.avail_in = in.size();
    stream_.next_out = reinterpret_cast<std::uint8_t*>(out);
    stream_.avail_out = room;
    const auto outcome = lzma_code(&stream_, LZMA_FINISH);
    if (outcome != LZMA_OK && outcome != LZMA_STREAM_END) return damaged("xz");
    in.remove_prefix(in.size() - stream_.avail_in);
    return Step{room - stream_.avail_out, outcome == LZMA_STREAM_END};
  }

 private:
  lzma_stream stream_ = LZMA_STREAM_INIT;
  bool started_ = false;
};

class GzipDecoder final : public Decoder {
 public:
  GzipDecoder() { started_ = inflateInit2(&stream_, 15 + 16) == Z_OK; }
  ~GzipDecoder() override { inflateEnd(&stream_); }
  Result<Step> decode(std::string_view& in, char* out, std::size_t room) override {
    if (!started_) return damaged("gzip");
    const auto offered = static_cast<uInt>(std::min<std::size_t>(in.size(), 1u << 30));
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));  // zlib's signature; it only reads
    stream_.avail_in = offered;
    stream_.next_out = reinterpret_cast<Bytef*>(out);
    stream_.avail_out = static_cast<uInt>(room);
    const int outcome = inflate(&stream_, Z_NO_FLUSH);
    if (outcome != Z_OK && outcome != Z_STREAM_END) return damaged("gzip");
    in.remove_prefix(offered - stream_.avail_in);
    const bool ended = outcome == Z_STREAM_END && in.empty();
    if (outcome == Z_STREAM_END && !ended && inflateReset(&stream_) != Z_OK) return damaged("gzip");
    return Step{room - stream_.avail_out, ended};
  }

 private:
  z_stream stream_{};
  bool started_ = false;
};

std::unique_ptr<Decoder> decoder_of(Compression compression) {
  switch (compression) {
    case Compression::lz4: return std::make_unique<Lz4Decoder>();
    case Compression::xz: return std::make_unique<XzDecoder>();
    case Compression::gzip: return std::make_unique<GzipDecoder>();
    case Compression::zstd: return std::make_unique<ZstdDecoder>();
    case Compression::none: break;
  }
  return nullptr;
}

// The end of the last whole paragraph; 0 where there is none.
std::size_t whole_paragraphs(std::string_view text) {
  const auto end = text.rfind("\n\n");
  return end == std::string_view::npos ? 0 : end + 2;
}

}  // namespace

Result<Compression> compression_of(std::string_view path) {
  static constexpr std::pair<std::string_view, Compression> kEndings[] = {
      {".lz4", Compression::lz4}, {".xz", Compression::xz}, {".gz", Compression::gzip}, {".zst", Compression::zstd}};
  for (const auto& [ending, compression] : kEndings)
    if (path.ends_with(ending)) return compression;
  if (path.ends_with(".bz2") || path.ends_with(".lzma"))
    return Error(Code::unsupported,
                 std::string(path) + ": this compression is not read; run 'apt-get update' with another one",
                 "metadata-missing");
  return Compression::none;
}

Status for_each_piece(const std::string& path, const std::function<void(std::string_view)>& visit) {
  BELAY_TRY_ASSIGN(const auto compression, compression_of(path));
  BELAY_TRY_ASSIGN(const auto file, io::MappedFile::open(path));
  return for_each_piece(file.text(), compression, visit).within("cannot read the package list " + path);
}

Status for_each_piece(std::string_view packed, Compression compression,
                      const std::function<void(std::string_view)>& visit) {
  const auto decoder = decoder_of(compression);
  if (!decoder)
    return packed.size() > kIndexBytesMax ? Status(Error(Code::resource_exhausted, "the list is too large"))
                                          : (visit(packed), Status());
  const std::size_t room = 2 * kStanzaBytesMax;
  const auto buffer = std::make_unique_for_overwrite<char[]>(room);
  std::size_t filled = 0, total = 0;
  for (bool ended = packed.empty(); !ended;) {
    BELAY_TRY_ASSIGN(const Step step, decoder->decode(packed, buffer.get() + filled, room - filled));
    filled += step.written;
    total += step.written;
    ended = step.ended;
    if (total > kIndexBytesMax) return Error(Code::resource_exhausted, "the list unpacks to more than 1 GiB");
    if (!ended && filled < room) continue;
    const std::string_view text(buffer.get(), filled);
    const std::size_t whole = ended ? filled : whole_paragraphs(text);
    if (!ended && whole == 0)
      return Error(Code::corrupt, "a paragraph of the list is longer than 1 MiB", "metadata-missing");
    visit(text.substr(0, whole));
    std::memmove(buffer.get(), buffer.get() + whole, filled - whole);
    filled -= whole;
  }
  return {};
}

}  // namespace belay::agent::apt
