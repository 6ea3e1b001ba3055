// The resizers against what Pillow under openpi's image_tools and LeRobot's function gave
// (test/fixtures/pi0/pictures.json, written by python/pi0/record_pictures.py).

#include "core/flow/picture_resize.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "core/checkpoint/crc32c.h"
#include "json.h"
#include "support.h"

namespace dsrl {
namespace {

using test::Json;
using test::refusal;

const Json& recorded() {
  static const Json json = Json::read(DSRL_SOURCE_DIR "/test/fixtures/pi0/pictures.json");
  return json;
}

/// The recorder's `picture`: uint8 [1, height, width, 3].
at::Tensor picture(const Json& of) {
  const auto height = static_cast<int64_t>(of["height"].number);
  const auto width = static_cast<int64_t>(of["width"].number);
  const auto seed = static_cast<uint32_t>(of["seed"].number);
  at::Tensor result = at::empty({1, height, width, 3}, at::kByte);
  auto* const bytes = result.mutable_data_ptr<uint8_t>();
  for (int64_t i = 0; i < result.numel(); ++i) {
    uint32_t x = (static_cast<uint32_t>(i) + seed * 1000003U) * 2654435761U;
    x = (x ^ (x >> 15)) * 2246822519U;
    const auto byte = static_cast<uint8_t>((x ^ (x >> 13)) >> 24);
    const std::string& kind = of["kind"].text;
    bytes[i] = kind == "white" ? 255 : kind == "noise" ? byte : byte < 128 ? 0 : 255;
  }
  return result;
}

int64_t side(const Json& of) {
  return static_cast<int64_t>(of["side"].number);
}

std::string name(const Json& of) {
  return of["kind"].text + " " + std::to_string(picture(of).size(1)) + " x " +
         std::to_string(picture(of).size(2)) + " -> " + std::to_string(side(of));
}

uint32_t checksum(const at::Tensor& bytes) {
  return crc32c(bytes.const_data_ptr(), bytes.nbytes(), 0);
}

TEST(PictureResize, IsPillowsToTheBit) {
  ASSERT_GE(recorded()["openpi"].items.size(), 70u);
  for (const Json& of : recorded()["openpi"].items) {
    const at::Tensor result = resize_with_pad_pil(picture(of), side(of));
    ASSERT_EQ(result.sizes(), (std::vector<int64_t>{1, side(of), side(of), 3}));
    if (of.members.contains("pixels")) {
      const at::Tensor expected = at::tensor(of["pixels"].numbers(), at::kDouble).to(at::kByte);
      EXPECT_TRUE(result.flatten().equal(expected)) << name(of) << "\n" << result.flatten();
    }
    EXPECT_EQ(checksum(result), static_cast<uint32_t>(of["crc32c"].number)) << name(of);
  }
}

TEST(PictureResize, KeepsPicturesOfABatchApart) {
  const Json& of = recorded()["openpi"][0];
  const at::Tensor one = picture(of);
  const at::Tensor many = at::cat({one, 255 - one, one.flip(1), at::zeros_like(one), one});
  const at::Tensor result = resize_with_pad_pil(many, side(of));
  for (int64_t i = 0; i < many.size(0); ++i) {
    const at::Tensor alone = resize_with_pad_pil(many.narrow(0, i, 1), side(of));
    EXPECT_TRUE(result.narrow(0, i, 1).equal(alone)) << i;
  }
  // Strides are no matter: a picture whose memory stands in another order.
  const at::Tensor turned = many.permute({0, 2, 1, 3});
  EXPECT_TRUE(resize_with_pad_pil(turned, side(of))
                  .equal(resize_with_pad_pil(turned.contiguous(), side(of))));
}

TEST(PictureResize, IsLeRobots) {
  ASSERT_GE(recorded()["lerobot"].items.size(), 20u);
  for (const Json& of : recorded()["lerobot"].items) {
    const at::Tensor unit = picture(of).permute({0, 3, 1, 2}).to(at::kFloat).div(255);
    const at::Tensor result = resize_with_pad_lerobot(unit, side(of));
    ASSERT_EQ(result.sizes(), (std::vector<int64_t>{1, 3, side(of), side(of)}));
    const at::Tensor expected = at::tensor(of["pixels"].numbers(), at::kDouble).to(at::kFloat);
    // Recorded on one processor, and another may fuse a multiplication with an addition.
    const at::Tensor channels_last = result.permute({0, 2, 3, 1}).flatten();
    EXPECT_LE((channels_last - expected).abs().max().item<float>(), 2e-7F) << name(of);
  }
}

TEST(PictureResize, TruncatesSizesAsPythonDoes) {
  for (const Json& fits : recorded()["fits"].items) {
    const auto most = static_cast<int64_t>(fits["most"].number);
    std::vector<int32_t> sizes;
    int64_t smaller = 0;
    for (int64_t height = 1; height <= most; ++height) {
      for (int64_t width = 1; width <= most; ++width) {
        const int64_t longer = std::max(height, width);
        const int64_t exact_height = height * side(fits) / longer;
        const int64_t exact_width = width * side(fits) / longer;
        PictureFit fit{};
        try {
          fit = fit_picture(height, width, side(fits));
        } catch (const Error&) {
          continue;  // it vanishes
        }
        smaller += fit.height != exact_height || fit.width != exact_width;
        sizes.insert(sizes.end(),
                     {static_cast<int32_t>(fit.height), static_cast<int32_t>(fit.width)});
      }
    }
    EXPECT_EQ(smaller, static_cast<int64_t>(fits["smaller"].number)) << side(fits);
    EXPECT_EQ(crc32c(sizes.data(), sizes.size() * sizeof(int32_t), 0),
              static_cast<uint32_t>(fits["crc32c"].number))
        << side(fits);
  }
}

TEST(PictureResize, PutsTheOddPixelBelowAndToTheRight) {
  const PictureFit wide = fit_picture(5, 10, 9);  // 9 wide, 4 high: 5 rows of padding
  EXPECT_EQ(wide.height, 4);
  EXPECT_EQ(wide.top, 2);
  EXPECT_EQ(wide.left, 0);
  const PictureFit high = fit_picture(10, 5, 9);
  EXPECT_EQ(high.top, 0);
  EXPECT_EQ(high.left, 2);
  const at::Tensor white = resize_with_pad_pil(at::full({1, 5, 10, 3}, 255, at::kByte), 9);
  const at::Tensor rows = white[0].select(2, 0).select(1, 4).to(at::kLong) / 255;
  EXPECT_TRUE(rows.to(at::kLong).equal(at::tensor({0, 0, 1, 1, 1, 1, 0, 0, 0}, at::kLong)));
}

TEST(PictureResize, RefusesAPictureThatVanishes) {
  EXPECT_EQ(refusal([] { fit_picture(500, 1, 224); }),
            "ERR_DSRL_OBSERVATION: a picture of 500 x 1 pixels vanishes when it is scaled to 224");
}

}  // namespace
}  // namespace dsrl
