#include "tests/fakes/restic_repository.hpp"

#include <filesystem>
#include <fstream>

#include "base/text.hpp"
#include "io/crypto.hpp"

namespace belay::fakes {
namespace {

namespace fs = std::filesystem;

// Both by tests/fakes/restic_keys.py kRepositoryKey.
constexpr std::string_view kConfig =
    "b79606fb3afea5bd1609ed40b622142f383f623d0d45ed2dd6457a20d3d3a473feb0d586e007b7832be2233e48713f653dce"
    "cf199dfd3b11b9f3a66ebc4d374a73e0ae0a6df6f36e8dfa4c6d8d296e6d6495c4c05d79b8bf19d4a28acc4a56efd0db6792"
    "439d9db07c6f75961a659124451a5f0ece49f5dfe56f04fa2c17334f7afdd9199dc83470a116f90df2e88397c826354a2d24"
    "0e66f9c77efe744ef569";
constexpr std::string_view kKeyFile =
    R"({"created": "2026-01-01T00:00:00Z", "username": "root", "hostname": "test", "kdf": "scrypt", "N": 16)"
    R"(, "r": 8, "p": 1, "salt": "bXfkRf7NLBVYQTRBPeL+F9biJTQi6hsqR2K+0unmGU0EtfOspQpyQXp9EifSJxIgedhaMyMd2)"
    R"(GmfKVVPQ+2zsg==", "data": "2RVkzu5EW5YnO+cNoykRRd3B3iAFf1Cxd4rKDMN3tZY8VcTnZj7+bJYrIDxhdUApmtUeBaBhE)"
    R"(OgTlt2Nj0clCStYvnnpHQiSYhFSlpxWbOyKGSs9HoIMrbvOlCK27Xpetta3BCu9rhs0sWQnYMWF8V8AmTOtp9PmkabVTBUDcdXwZ)"
    R"(R4UYHWXCAiQMjBV3pu3RAk60f+tyy4ABHEZCul3zWKGeJd1kg=="})";

void write(const fs::path& path, std::string_view content) { std::ofstream(path, std::ios::binary) << content; }

std::string from_hex(std::string_view digits) {
  std::string bytes;
  for (std::size_t i = 0; i < digits.size(); i += 2)
    bytes += static_cast<char>(std::stoi(std::string(digits.substr(i, 2)), nullptr, 16));
  return bytes;
}

}  // namespace

void lay_restic_repository(const std::string& directory) {
  for (const char* name : {"data", "index", "keys", "locks", "snapshots"})
    fs::create_directories(fs::path(directory) / name);
  write(fs::path(directory) / "config", from_hex(kConfig));
  write(fs::path(directory) / "keys" / io::sha256_hex(kKeyFile), kKeyFile);
}

}  // namespace belay::fakes
