// The quick start of the seed as it is written there, with names filled in. Prints what happens.
const process = require('node:process');

var clouds = require('nestjs-clouds/clouds');

clouds.connect({
  redis: JSON.parse(process.argv[2]).redis,
  service: {
    callbackTimeout: 60000,
  },
});

clouds.register('服务名', function (err, service) {
  if (err) {
    throw err;
  }
  service.on('事件名', function (参数, callback) {
    process.send({ 收到: 参数 });
    callback(null, { 结果: 参数.数 * 2 });
  });

  var test = clouds.require('服务名');

  test.emit('事件名', { 数: 1 });

  test.emit('事件名', { 数: 2 }, function (err, 参数) {
    if (err) {
      throw err;
    }
    process.send({ emitted: 参数 });

    test.pemit(3, '事件名', { 数: 3 }, function (err, 参数) {
      if (err) {
        throw err;
      }
      process.send({ pemitted: 参数 });
      clouds.clean(function (err) {
        process.send({ cleaned: err });
        clouds.unregister('服务名');
        clouds.disconnect();
      });
    });
  });
});
