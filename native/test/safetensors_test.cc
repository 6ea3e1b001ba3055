// The safetensors reader and writer: what they hold, and what hostile files cannot do to them.
// Run under AddressSanitizer the mutations also show that nothing is read out of bounds.

#include "core/checkpoint/safetensors.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "core/checkpoint/crc32c.h"
#include "core/checkpoint/safetensors_header.h"
#include "core/error.h"
#include "support.h"

namespace dsrl {
namespace {

std::string bytes_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void put(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

/// A file of this header, its length before it, and `data` bytes after it.
std::string file_of(const std::string& header, size_t data) {
  const uint64_t length = header.size();
  return std::string(reinterpret_cast<const char*>(&length), 8) + header + std::string(data, 'x');
}

/// The code and message that reading `bytes` ends with, or "".
std::string refusal(const std::string& bytes) {
  const test::Folder folder;
  put(folder / "file", bytes);
  try {
    read_safetensors(folder / "file");
  } catch (const Error& error) {
    return error.code() + ": " + error.what();
  }
  return "";
}

void expect_damaged(const std::string& bytes, const std::string& reason) {
  const std::string found = refusal(bytes);
  EXPECT_EQ(found.rfind("ERR_DSRL_CHECKPOINT_DAMAGED", 0), 0u) << found << "\n" << bytes.substr(8);
  EXPECT_NE(found.find(reason), std::string::npos) << found << "\n" << bytes.substr(8);
}

std::string entry(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return "{\"dtype\":\"" + dtype + "\",\"shape\":[" + shape + "],\"data_offsets\":[" + offsets +
         "]}";
}

const std::vector<at::ScalarType> kTypes{at::kFloat,    at::kDouble, at::kHalf,
                                         at::kBFloat16, at::kLong,   at::kInt,
                                         at::kShort,    at::kByte,   at::kBool};

TEST(Safetensors, ReturnsEveryDtypeAndShape) {
  const test::Folder folder;
  NamedTensors tensors;
  for (const at::ScalarType type : kTypes) {
    for (const std::vector<int64_t>& shape : std::vector<std::vector<int64_t>>{
             {}, {0}, {1}, {3}, {0, 5}, {5, 0}, {2, 3}, {2, 1, 3, 2}}) {
      const std::string name = std::string(c10::toString(type)) + std::to_string(tensors.size());
      const int64_t count = c10::multiply_integers(shape);
      const at::Tensor values = random_below(RandomStream(1, name), 0, count, 2, at::kCPU);
      tensors.emplace_back(name, values.to(type).reshape(shape));
    }
  }
  const std::map<std::string, std::string> metadata{{"step", "12"},
                                                    {"quote\"\\", "line\nbreak\x01é"}};
  const uint32_t checksum = write_safetensors(folder / "all", tensors, metadata);
  EXPECT_EQ(checksum, file_crc32c(folder / "all"));
  const std::string bytes = bytes_of(folder / "all");
  EXPECT_EQ(checksum, crc32c(bytes.data(), bytes.size()));

  const SafetensorsFile file = read_safetensors(folder / "all");
  EXPECT_EQ(file.metadata, metadata);
  ASSERT_EQ(file.tensors.size(), tensors.size());
  for (const auto& [name, tensor] : tensors) {
    const at::Tensor& found = file.tensors.at(name);
    EXPECT_EQ(found.scalar_type(), tensor.scalar_type()) << name;
    EXPECT_TRUE(found.equal(tensor)) << name;
    EXPECT_TRUE(found.is_contiguous()) << name;
  }
}

TEST(Safetensors, ReturnsEveryBitOfFloats) {
  const test::Folder folder;
  const at::Tensor words =
      random_below(RandomStream(1, "test"), 0, 1000, int64_t{1} << 31, at::kCPU);
  const at::Tensor floats = words.to(at::kInt).view(at::kFloat);  // NaN and denormals among them
  write_safetensors(folder / "floats", {{"x", floats}});
  const at::Tensor found = read_safetensors(folder / "floats").tensors.at("x");
  EXPECT_TRUE(found.view(at::kInt).equal(floats.view(at::kInt)));
}

TEST(Safetensors, WritesTensorsOfAnyStridesInTheGivenOrder) {
  const test::Folder folder;
  const at::Tensor matrix = at::arange(12, at::kFloat).reshape({3, 4});
  write_safetensors(folder / "views", {{"z", matrix.t()}, {"a", matrix.select(1, 2)}});
  const SafetensorsFile file = read_safetensors(folder / "views");
  EXPECT_TRUE(file.tensors.at("z").equal(matrix.t()));
  EXPECT_TRUE(file.tensors.at("a").equal(matrix.select(1, 2)));
  const std::string bytes = bytes_of(folder / "views");
  EXPECT_LT(bytes.find("\"z\""), bytes.find("\"a\""));
  uint64_t length = 0;
  std::memcpy(&length, bytes.data(), 8);
  EXPECT_EQ(length % 8, 0u);  // tensors start aligned, as the format asks
}

TEST(Safetensors, HoldsNothing) {
  const test::Folder folder;
  write_safetensors(folder / "nothing", {});
  EXPECT_TRUE(read_safetensors(folder / "nothing").tensors.empty());
}

// Bytes that the format's own library (safetensors 0.8.0, through its numpy interface) wrote.
TEST(Safetensors, ReadsAFileOfTheFormatsOwnLibrary) {
  const std::string header =
      R"({"__metadata__":{"step":"12","note":"line\nbreak"},)"
      R"("a":{"dtype":"I64","shape":[],"data_offsets":[0,8]},)"
      R"("b":{"dtype":"F32","shape":[2,2],"data_offsets":[8,24]},)"
      R"("empty":{"dtype":"F16","shape":[0,3],"data_offsets":[24,24]},)"
      "\"\xc3\xa9\\\"x\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[24,27]}}  ";
  ASSERT_EQ(header.size(), 0x118u);
  const char data[] =
      "\xf9\xff\xff\xff\xff\xff\xff\xff\x00\x00\xc0?\x00\x00\x00\xc0\x00\x00\x80>\x00\x00@@"
      "\x01\x02\xff";
  const test::Folder folder;
  put(folder / "file", file_of(header, 0) + std::string(data, sizeof(data) - 1));
  const SafetensorsFile file = read_safetensors(folder / "file");
  EXPECT_EQ(file.metadata,
            (std::map<std::string, std::string>{{"step", "12"}, {"note", "line\nbreak"}}));
  ASSERT_EQ(file.tensors.size(), 4u);
  EXPECT_EQ(file.tensors.at("a").item<int64_t>(), -7);
  EXPECT_TRUE(file.tensors.at("b").equal(at::tensor({1.5F, -2.0F, 0.25F, 3.0F}).reshape({2, 2})));
  EXPECT_EQ(file.tensors.at("empty").sizes(), (std::vector<int64_t>{0, 3}));
  EXPECT_TRUE(file.tensors.at("\xc3\xa9\"x").equal(at::tensor({1, 2, 255}).to(at::kByte)));
}

TEST(Safetensors, UnderstandsEveryEscape) {
  const std::string header = R"({"\u0061\u00e9\u20ac\ud83d\ude00\/\b\f\n\r\t\\\"" : )" +
                             entry("U8", " 1 ", " 0 , 1 ") + "\n}";
  const SafetensorsHeader parsed = parse_safetensors_header(header);
  ASSERT_EQ(parsed.tensors.size(), 1u);
  EXPECT_EQ(parsed.tensors.begin()->first, "aé€😀/\b\f\n\r\t\\\"");
  EXPECT_EQ(parse_safetensors_header("{" + json_string("aé€😀/\b\x01\\\"") + ":" +
                                     entry("U8", "1", "0,1") + "}")
                .tensors.begin()
                ->first,
            "aé€😀/\b\x01\\\"");
}

TEST(Safetensors, RefusesALengthThatLies) {
  const std::string header = "{\"a\":" + entry("U8", "4", "0,4") + "}";
  const std::string good = file_of(header, 4);
  EXPECT_EQ(refusal(good), "");
  for (const uint64_t length :
       {uint64_t{0}, header.size() - 1, header.size() + 1, header.size() + 4, header.size() + 5,
        uint64_t{100'000'001}, uint64_t{1} << 63, ~uint64_t{0}, ~uint64_t{0} - 7}) {
    std::string bad = good;
    std::memcpy(bad.data(), &length, 8);
    expect_damaged(bad, "");
  }
  for (size_t size = 0; size < good.size(); ++size) expect_damaged(good.substr(0, size), "");
  expect_damaged(good + "x", "bytes after the last tensor");
  EXPECT_EQ(refusal(file_of("{}", 0)), "");
  expect_damaged(file_of("{}", 1), "bytes after the last tensor");
}

TEST(Safetensors, RefusesHolesAndOverlaps) {
  const auto two = [](const std::string& a, const std::string& b) {
    return "{\"a\":" + entry("U8", "4", a) + ",\"b\":" + entry("U8", "4", b) + "}";
  };
  EXPECT_EQ(refusal(file_of(two("0,4", "4,8"), 8)), "");
  EXPECT_EQ(refusal(file_of(two("4,8", "0,4"), 8)), "");
  expect_damaged(file_of(two("0,4", "5,9"), 9), "hole or overlaps");
  expect_damaged(file_of(two("1,5", "5,9"), 9), "hole or overlaps");
  expect_damaged(file_of(two("0,4", "2,6"), 6), "hole or overlaps");
  expect_damaged(file_of(two("0,4", "0,4"), 4), "hole or overlaps");
  expect_damaged(file_of(two("0,4", "4,8"), 7), "truncated");
  expect_damaged(file_of(two("0,4", "8,4"), 8), "does not match");
  expect_damaged(file_of(two("0,4", "4,18446744073709551608"), 8), "does not match");
}

TEST(Safetensors, RefusesImpossibleShapes) {
  const auto one = [](const std::string& dtype, const std::string& shape, const std::string& end) {
    return file_of("{\"a\":" + entry(dtype, shape, "0," + end) + "}", 4);
  };
  EXPECT_EQ(refusal(one("U8", "2,2", "4")), "");
  expect_damaged(one("F32", "2", "4"), "does not match");
  expect_damaged(one("U8", "4294967296,4294967296", "4"), "impossible shape");
  expect_damaged(one("U8", "4611686018427387904,4611686018427387904", "4"), "impossible shape");
  expect_damaged(one("F32", "4611686018427387904", "4"), "impossible shape");
  expect_damaged(one("U8", "9223372036854775808", "4"), "too large");
  expect_damaged(one("U8", "99999999999999999999999", "4"), "too large");
  expect_damaged(one("F8_E4M3", "4", "4"), "not supported");
  std::string many = "1";
  for (int i = 0; i < 64; ++i) many += ",1";
  expect_damaged(one("U8", many, "4"), "too many numbers");
  // No bytes, but strides that no tensor can have.
  for (const std::string& shape : {std::string("0,4611686018427387904,4611686018427387904"),
                                   std::string("4611686018427387904,0,4611686018427387904")}) {
    expect_damaged(file_of("{\"a\":" + entry("U8", shape, "0,0") + "}", 0), "impossible shape");
  }
}

TEST(Safetensors, RefusesWhatIsNotItsJson) {
  const std::string good = entry("U8", "4", "0,4");
  for (const std::string& header : std::vector<std::string>{
           "",
           " ",
           "[]",
           "null",
           "{",
           "}",
           "{\"a\"}",
           "{\"a\":}",
           "{\"a\":1}",
           "{\"a\":[]}",
           "{\"a\":{}}",
           "{\"a\":" + good,
           "{\"a\":" + good + ",}",
           "{\"a\":" + good + "}}",
           "{a:" + good + "}",
           "{'a':" + good + "}",
           "{\"a\":" + good + " \"b\":" + good + "}",
           "{\"a\":" + good + ",\"a\":" + good + "}",        // twice
           "{\"a\":" + good + ",\"\\u0061\":" + good + "}",  // twice, in disguise
           "{\"__metadata__\":{},\"__metadata__\":{}}",      //
           "{\"__metadata__\":{\"k\":1}}",
           "{\"__metadata__\":{\"k\":{}}}",
           "{\"__metadata__\":{\"k\":\"\",\"k\":\"\"}}",
           "{\"a\":{\"dtype\":\"U8\",\"shape\":[4]}}",
           "{\"a\":{\"dtype\":\"U8\",\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}}",
           "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4],\"more\":1}}",
           "{\"a\":{\"dtype\":1,\"shape\":[4],\"data_offsets\":[0,4]}}",
           "{\"a\":" + entry("U8", "-4", "0,4") + "}",
           "{\"a\":" + entry("U8", "4.0", "0,4") + "}",
           "{\"a\":" + entry("U8", "4e0", "0,4") + "}",
           "{\"a\":" + entry("U8", "4,", "0,4") + "}",
           "{\"a\":" + entry("U8", "[4]", "0,4") + "}",
           "{\"a\":" + entry("U8", "4", "4") + "}",
           "{\"a\":" + entry("U8", "4", "0,4,4") + "}",
           "{\"a\\x\":" + good + "}",
           "{\"a\\u12\":" + good + "}",
           "{\"\\ud800\":" + good + "}",
           "{\"\\udc00\":" + good + "}",
           "{\"\\ud800\\u0061\":" + good + "}",
           "{\"a\nb\":" + good + "}",
           "{\"a",
           "{\"a\\",
           "{\"a\\u00"}) {
    expect_damaged(file_of(header, 4), "of the header");
  }
}

TEST(Safetensors, DepthCannotExhaustTheStack) {
  for (const std::string& unit : {std::string("{"), std::string("["), std::string("{\"a\":"),
                                  std::string("{\"a\":{\"shape\":["), std::string("\"")}) {
    std::string header;
    while (header.size() < 5'000'000) header += unit;
    expect_damaged(file_of(header, 0), "of the header");
    expect_damaged(file_of("{\"a\":{\"shape\":" + header, 0), "of the header");
  }
}

TEST(Safetensors, SaysWhatCannotBeOpened) {
  const test::Folder folder;
  try {
    read_safetensors(folder / "absent");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), "ERR_DSRL_CHECKPOINT_READ");
    EXPECT_NE(std::string(error.what()).find("absent"), std::string::npos);
  }
  try {
    write_safetensors(folder / "absent/file", {});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), "ERR_DSRL_CHECKPOINT_WRITE");
  }
}

// A random change of a valid file is refused in words, or read as what it now says, no more.
TEST(Safetensors, SurvivesTwentyThousandMutations) {
  const test::Folder folder;
  const std::string path = folder / "file";
  write_safetensors(path,
                    {{"q_head.weight", at::arange(6, at::kFloat).reshape({2, 3})},
                     {"steps", at::arange(3, at::kLong)},
                     {"empty", at::zeros({0, 4}, at::kByte)},
                     {"done", at::ones({}, at::kBool)}},
                    {{"step", "12"}});
  const std::string valid = bytes_of(path);
  const std::string interesting = std::string("\"\\{}[]:,0129 -u\xff\x80", 17) + '\0';
  const RandomStream stream(6, "test.mutations");
  int refused = 0, accepted = 0;
  for (uint32_t i = 0; i < 20'000; ++i) {
    std::array<uint32_t, 16> words;
    stream.words(i, 0, words);
    std::string bytes = valid;
    for (uint32_t change = 0; change <= words[0] % 3 && !bytes.empty(); ++change) {
      const uint32_t* word = &words[1 + 5 * change];
      // Most changes hit the header; the data's bytes mean nothing to the reader.
      const size_t at = word[0] % std::min<size_t>(bytes.size(), word[1] % 4 ? 420 : bytes.size());
      switch (word[2] % 6) {
        case 0:
          bytes[at] = static_cast<char>(bytes[at] ^ (1 << word[3] % 8));
          break;
        case 1:
          bytes[at] = interesting[word[3] % interesting.size()];
          break;
        case 2:
          bytes.insert(at, 1, interesting[word[3] % interesting.size()]);
          break;
        case 3:
          bytes.erase(at, 1 + word[3] % 4);
          break;
        case 4:
          bytes.insert(at, bytes.substr(word[3] % bytes.size(), word[4] % 64));
          break;
        default:
          bytes.resize(1 + word[3] % bytes.size());
      }
    }
    put(path, bytes);
    try {
      const SafetensorsFile file = read_safetensors(path);
      ++accepted;
      uint64_t length = 0, data = 0;
      std::memcpy(&length, bytes.data(), 8);
      for (const auto& [name, tensor] : file.tensors) data += tensor.nbytes();
      ASSERT_EQ(8 + length + data, bytes.size());
    } catch (const Error& error) {
      ++refused;
      ASSERT_EQ(error.code(), "ERR_DSRL_CHECKPOINT_DAMAGED");
    }
  }
  EXPECT_GT(refused, 10'000);
  EXPECT_GT(accepted, 300);
}

}  // namespace
}  // namespace dsrl
